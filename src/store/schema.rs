//! The tables as diesel knows them, kept by hand beside `migrations/`.
//!
//! Never a type outside the shared vocabulary: Text, BigInt, Bool, Binary.

diesel::table! {
    meta (key) {
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    users (id) {
        id -> Text,
        username -> Text,
        username_key -> Text,
        email -> Text,
        email_key -> Text,
        role -> Text,
        password_hash -> Text,
        disabled -> Bool,
        created_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    invites (id) {
        id -> Text,
        code_hash -> Text,
        role -> Text,
        created_by -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_by -> Nullable<Text>,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    attempts (key) {
        key -> Text,
        failures -> BigInt,
        last_at -> BigInt,
        wait_ms -> BigInt,
    }
}

diesel::table! {
    tokens (sid) {
        sid -> Text,
        user_id -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Text,
        user_id -> Text,
        name -> Text,
        prefix -> Text,
        hash -> Text,
        scopes -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    audit (n) {
        n -> BigInt,
        at -> BigInt,
        actor -> Text,
        credential -> Text,
        address -> Text,
        request -> Text,
        action -> Text,
        object -> Text,
        result -> Text,
        prev -> Text,
        hash -> Text,
    }
}

diesel::table! {
    tickets (hash) {
        hash -> Text,
        sid -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    refresh_tokens (hash) {
        hash -> Text,
        sid -> Text,
        user_id -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    idempotency (owner_id, key) {
        owner_id -> Text,
        key -> Text,
        digest -> Text,
        reply -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        owner_id -> Text,
        group_id -> Text,
        name -> Nullable<Text>,
        kind -> Text,
        cwd -> Text,
        model -> Nullable<Text>,
        permission_mode -> Text,
        scenario -> Nullable<Text>,
        options -> Text,
        topic -> Nullable<Text>,
        metadata -> Text,
        env -> Nullable<Binary>,
        created_at -> BigInt,
        updated_at -> BigInt,
        archived_at -> Nullable<BigInt>,
        status -> Text,
        facts -> Text,
        mission -> Text,
        parent_id -> Nullable<Text>,
        parent_reason -> Nullable<Text>,
        workspace_id -> Nullable<Text>,
        workspace_env -> Nullable<Binary>,
        spent_micro_usd -> BigInt,
        used_tokens -> BigInt,
    }
}

diesel::table! {
    workspaces (id) {
        id -> Text,
        owner_id -> Text,
        name -> Text,
        kind -> Text,
        path -> Text,
        env -> Nullable<Binary>,
        options -> Text,
        init_script -> Nullable<Text>,
        distro -> Nullable<Text>,
        template -> Nullable<Text>,
        status -> Text,
        error_code -> Nullable<Text>,
        error_text -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    /// What people are signed in with at providers of models.
    provider_sign_ins (id) {
        id -> Text,
        user_id -> Text,
        provider -> Text,
        method -> Text,
        secret -> Nullable<Binary>,
        expires_at -> Nullable<BigInt>,
        failure -> Nullable<Text>,
        changed_at -> BigInt,
    }
}

diesel::table! {
    /// The mission that a person's messages without a name go to.
    loaded (user_id) {
        user_id -> Text,
        session_id -> Text,
        chosen -> Bool,
        at -> BigInt,
    }
}

diesel::table! {
    tasks (id) {
        id -> Text,
        session_id -> Text,
        owner_id -> Text,
        ord -> BigInt,
        state -> Text,
        prompt -> Text,
        on_uncertain -> Text,
        metadata -> Text,
        attempt -> BigInt,
        incarnation -> Nullable<BigInt>,
        reason -> Nullable<Text>,
        text -> Nullable<Text>,
        usage -> Nullable<Text>,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        said -> Nullable<Binary>,
    }
}

diesel::table! {
    incarnations (session_id, number) {
        session_id -> Text,
        number -> BigInt,
        nonce -> Text,
        log_offset -> BigInt,
        snapshot -> Text,
        started_at -> BigInt,
        exit_report -> Nullable<Text>,
    }
}

diesel::table! {
    events (agent_id, seq) {
        agent_id -> Text,
        seq -> BigInt,
        pos -> BigInt,
        owner_id -> Text,
        kind -> Text,
        at -> BigInt,
        incarnation -> BigInt,
        data -> Text,
    }
}

diesel::table! {
    approvals (id) {
        id -> Text,
        session_id -> Text,
        owner_id -> Text,
        incarnation -> BigInt,
        kind -> Text,
        request -> Text,
        task_id -> Nullable<Text>,
        tool -> Text,
        args -> Text,
        summary -> Text,
        question -> Text,
        options -> Text,
        risk -> Text,
        state -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        resolved_at -> Nullable<BigInt>,
        resolved_by -> Nullable<Text>,
        response -> Nullable<Text>,
    }
}

diesel::table! {
    overrides (id) {
        id -> Text,
        owner_id -> Text,
        session_id -> Nullable<Text>,
        kind -> Text,
        tool -> Text,
        match_kind -> Text,
        match_text -> Text,
        approved -> Bool,
        created_by -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    supervisor_log (id) {
        id -> BigInt,
        at -> BigInt,
        path -> Text,
        generation -> BigInt,
        incarnation -> BigInt,
        event -> Text,
        reason -> Text,
        decision -> Text,
        next_at -> Nullable<BigInt>,
        session_id -> Nullable<Text>,
        count -> BigInt,
    }
}

diesel::table! {
    trimmed (session_id) {
        session_id -> Text,
        owner_id -> Text,
        through_seq -> BigInt,
        through_pos -> BigInt,
    }
}

diesel::table! {
    /// The highest place of an event that went with a deleted session.
    removed (owner_id) {
        owner_id -> Text,
        through_pos -> BigInt,
    }
}

diesel::joinable!(tokens -> users (user_id));
diesel::joinable!(api_keys -> users (user_id));
diesel::joinable!(events -> sessions (agent_id));
diesel::joinable!(tasks -> sessions (session_id));
diesel::joinable!(loaded -> sessions (session_id));

diesel::allow_tables_to_appear_in_same_query!(
    api_keys,
    approvals,
    events,
    incarnations,
    loaded,
    refresh_tokens,
    sessions,
    tasks,
    tickets,
    tokens,
    users,
    workspaces,
);
