//! The tables as diesel sees them; `migrations/` is the original, and a test compares the two.

diesel::table! {
    accounts (id) {
        id -> BigInt,
        provider -> Text,
        organization -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    provider_keys (id) {
        id -> BigInt,
        account_id -> BigInt,
        label -> Nullable<Text>,
        project_filter -> Text,
        mask -> Text,
        cipher_version -> BigInt,
        master_key_id -> Text,
        nonce -> Binary,
        ciphertext -> Binary,
        status -> Text,
        status_message -> Nullable<Text>,
        created_at -> BigInt,
        checked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    usage_events (window_start, dedupe_key) {
        account_id -> BigInt,
        endpoint -> Text,
        window_start -> BigInt,
        window_end -> BigInt,
        dedupe_key -> Binary,
        project_id -> Nullable<Text>,
        api_key_id -> Nullable<Text>,
        user_id -> Nullable<Text>,
        model -> Nullable<Text>,
        service_tier -> Nullable<Text>,
        batch -> Nullable<Bool>,
        api_source -> Nullable<Text>,
        vector_store_id -> Nullable<Text>,
        size -> Nullable<Text>,
        source -> Nullable<Text>,
        context_level -> Nullable<Text>,
        input_tokens -> Nullable<BigInt>,
        output_tokens -> Nullable<BigInt>,
        input_cached_tokens -> Nullable<BigInt>,
        input_uncached_tokens -> Nullable<BigInt>,
        input_cache_write_tokens -> Nullable<BigInt>,
        input_cache_write_30m_tokens -> Nullable<BigInt>,
        input_cache_write_12h_tokens -> Nullable<BigInt>,
        input_text_tokens -> Nullable<BigInt>,
        output_text_tokens -> Nullable<BigInt>,
        input_cached_text_tokens -> Nullable<BigInt>,
        input_audio_tokens -> Nullable<BigInt>,
        input_cached_audio_tokens -> Nullable<BigInt>,
        output_audio_tokens -> Nullable<BigInt>,
        input_image_tokens -> Nullable<BigInt>,
        input_cached_image_tokens -> Nullable<BigInt>,
        output_image_tokens -> Nullable<BigInt>,
        num_model_requests -> Nullable<BigInt>,
        images -> Nullable<BigInt>,
        characters -> Nullable<BigInt>,
        seconds -> Nullable<BigInt>,
        usage_bytes -> Nullable<BigInt>,
        num_sessions -> Nullable<BigInt>,
        num_requests -> Nullable<BigInt>,
        content_hash -> BigInt,
        revision -> BigInt,
        first_stored_at -> BigInt,
        changed_at -> BigInt,
        run_id -> BigInt,
        cost_nano_usd -> Nullable<BigInt>,
        price_ref -> Nullable<BigInt>,
    }
}

diesel::table! {
    // Append-only and without a key of its own; diesel wants one to name the table by.
    usage_revisions (window_start, dedupe_key, revision) {
        kind -> Text,
        replaced_at -> BigInt,
        replaced_by_run -> BigInt,
        account_id -> BigInt,
        endpoint -> Text,
        window_start -> BigInt,
        window_end -> BigInt,
        dedupe_key -> Binary,
        project_id -> Nullable<Text>,
        api_key_id -> Nullable<Text>,
        user_id -> Nullable<Text>,
        model -> Nullable<Text>,
        service_tier -> Nullable<Text>,
        batch -> Nullable<Bool>,
        api_source -> Nullable<Text>,
        vector_store_id -> Nullable<Text>,
        size -> Nullable<Text>,
        source -> Nullable<Text>,
        context_level -> Nullable<Text>,
        input_tokens -> Nullable<BigInt>,
        output_tokens -> Nullable<BigInt>,
        input_cached_tokens -> Nullable<BigInt>,
        input_uncached_tokens -> Nullable<BigInt>,
        input_cache_write_tokens -> Nullable<BigInt>,
        input_cache_write_30m_tokens -> Nullable<BigInt>,
        input_cache_write_12h_tokens -> Nullable<BigInt>,
        input_text_tokens -> Nullable<BigInt>,
        output_text_tokens -> Nullable<BigInt>,
        input_cached_text_tokens -> Nullable<BigInt>,
        input_audio_tokens -> Nullable<BigInt>,
        input_cached_audio_tokens -> Nullable<BigInt>,
        output_audio_tokens -> Nullable<BigInt>,
        input_image_tokens -> Nullable<BigInt>,
        input_cached_image_tokens -> Nullable<BigInt>,
        output_image_tokens -> Nullable<BigInt>,
        num_model_requests -> Nullable<BigInt>,
        images -> Nullable<BigInt>,
        characters -> Nullable<BigInt>,
        seconds -> Nullable<BigInt>,
        usage_bytes -> Nullable<BigInt>,
        num_sessions -> Nullable<BigInt>,
        num_requests -> Nullable<BigInt>,
        content_hash -> BigInt,
        revision -> BigInt,
        first_stored_at -> BigInt,
        changed_at -> BigInt,
        run_id -> BigInt,
        cost_nano_usd -> Nullable<BigInt>,
        price_ref -> Nullable<BigInt>,
    }
}

diesel::table! {
    prices (id) {
        id -> BigInt,
        price_id -> Text,
        catalogue_version -> Text,
        record -> Text,
    }
}

diesel::table! {
    cost_events (window_start, dedupe_key) {
        account_id -> BigInt,
        endpoint -> Text,
        window_start -> BigInt,
        window_end -> BigInt,
        dedupe_key -> Binary,
        project_id -> Nullable<Text>,
        api_key_id -> Nullable<Text>,
        line_item -> Nullable<Text>,
        currency -> Nullable<Text>,
        amount -> Nullable<Text>,
        amount_nano -> Nullable<BigInt>,
        quantity -> Nullable<Text>,
        quantity_unit -> Nullable<Text>,
        model -> Nullable<Text>,
        direction -> Nullable<Text>,
        modality -> Nullable<Text>,
        tier -> Nullable<Text>,
        long_context -> Bool,
        content_hash -> BigInt,
        revision -> BigInt,
        first_stored_at -> BigInt,
        changed_at -> BigInt,
        run_id -> BigInt,
    }
}

diesel::table! {
    // Append-only, as usage_revisions.
    cost_revisions (window_start, dedupe_key, revision) {
        kind -> Text,
        replaced_at -> BigInt,
        replaced_by_run -> BigInt,
        account_id -> BigInt,
        endpoint -> Text,
        window_start -> BigInt,
        window_end -> BigInt,
        dedupe_key -> Binary,
        project_id -> Nullable<Text>,
        api_key_id -> Nullable<Text>,
        line_item -> Nullable<Text>,
        currency -> Nullable<Text>,
        amount -> Nullable<Text>,
        amount_nano -> Nullable<BigInt>,
        quantity -> Nullable<Text>,
        quantity_unit -> Nullable<Text>,
        model -> Nullable<Text>,
        direction -> Nullable<Text>,
        modality -> Nullable<Text>,
        tier -> Nullable<Text>,
        long_context -> Bool,
        content_hash -> BigInt,
        revision -> BigInt,
        first_stored_at -> BigInt,
        changed_at -> BigInt,
        run_id -> BigInt,
    }
}

diesel::table! {
    usage_coverage (account_id, endpoint, width_seconds, window_start, project_filter) {
        account_id -> BigInt,
        endpoint -> Text,
        width_seconds -> BigInt,
        window_start -> BigInt,
        project_filter -> Text,
        grouped_by -> BigInt,
        refused_dimensions -> BigInt,
        empty_dimensions -> BigInt,
        state -> Text,
        event_count -> BigInt,
        read_started_at -> BigInt,
        stored_at -> BigInt,
        first_closed_at -> Nullable<BigInt>,
        run_id -> BigInt,
    }
}

diesel::table! {
    runs (id) {
        id -> BigInt,
        kind -> Text,
        label -> Nullable<Text>,
        range_start -> Nullable<BigInt>,
        range_end -> Nullable<BigInt>,
        holder -> Text,
        status -> Text,
        started_at -> BigInt,
        finished_at -> Nullable<BigInt>,
        plan -> Text,
        telemetry -> Text,
        issues -> Text,
    }
}

diesel::table! {
    directory_names (account_id, kind, id) {
        account_id -> BigInt,
        kind -> Text,
        id -> Text,
        name -> Nullable<Text>,
        email -> Nullable<Text>,
        project_id -> Nullable<Text>,
        status -> Nullable<Text>,
        created_at -> Nullable<BigInt>,
        first_seen_at -> BigInt,
        last_seen_at -> BigInt,
    }
}

diesel::table! {
    erased_names (account_id, kind, id) {
        account_id -> BigInt,
        kind -> Text,
        id -> Text,
        erased_at -> BigInt,
    }
}

diesel::table! {
    erasure_traces (id) {
        id -> BigInt,
        erased_at -> BigInt,
    }
}

diesel::table! {
    incidents (id) {
        id -> BigInt,
        kind -> Text,
        subject -> Text,
        account_id -> Nullable<BigInt>,
        message -> Text,
        details -> Text,
        opened_at -> BigInt,
        last_seen_at -> BigInt,
        closed_at -> Nullable<BigInt>,
        notified_open_at -> Nullable<BigInt>,
        notified_close_at -> Nullable<BigInt>,
        claim -> BigInt,
        claim_expires_at_ms -> BigInt,
        delivered_to -> Text,
    }
}

diesel::table! {
    api_tokens (id) {
        id -> BigInt,
        name -> Text,
        role -> Text,
        account_scope -> Text,
        token_hash -> Binary,
        mask -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    data_versions (account_id) {
        account_id -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    usage_days (day_start, account_id, endpoint) {
        day_start -> BigInt,
        account_id -> BigInt,
        endpoint -> Text,
        width_seconds -> BigInt,
        events -> BigInt,
        cuboids -> BigInt,
    }
}

diesel::table! {
    usage_rollups (cuboid, day_start, account_id, endpoint) {
        cuboid -> BigInt,
        day_start -> BigInt,
        account_id -> BigInt,
        endpoint -> Text,
        cells -> Binary,
    }
}

diesel::table! {
    usage_stale_days (day_start, account_id, endpoint, writer) {
        day_start -> BigInt,
        account_id -> BigInt,
        endpoint -> Text,
        writer -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(accounts, provider_keys);
