DROP TABLE provider_sign_ins;
