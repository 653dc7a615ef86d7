//! Tests of answers, forms and renewal over a provider that does not answer.
