DROP TABLE provider_states;
DROP TABLE provider_sign_ins;
