-- kernel.identity: the system of an organisation may act as such.
ALTER TABLE identity.account_grant
    DROP CONSTRAINT account_grant_role_check,
    ADD CONSTRAINT account_grant_role_check CHECK (role IN (
        'resident', 'clinician', 'scheduler', 'clerk', 'community_gp', 'operator', 'system',
        'exchange'));
