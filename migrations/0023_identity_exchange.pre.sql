-- kernel.identity: the system of an organisation may act as such.
-- A few rows for each member of staff: the scan takes no time.
ALTER TABLE identity.account_grant
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT account_grant_role_check,
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT account_grant_role_check CHECK (role IN (
        'resident', 'clinician', 'scheduler', 'clerk', 'community_gp', 'operator', 'system',
        'exchange'));
