-- kernel.identity: Patients that others write under ids of their own, and whose they are. What
-- nobody is likely to be has no row.
CREATE TABLE identity.link (
    patient_id text COLLATE "C" PRIMARY KEY CHECK (length(patient_id) BETWEEN 1 AND 64),
    person_id uuid NOT NULL REFERENCES identity.person (id),    -- also of what is only likely
    state text NOT NULL CHECK (state IN ('linked', 'doubtful', 'refused')),
    basis text NOT NULL CHECK (basis IN ('document', 'documents', 'likeness')),
    weight numeric(7, 3) NOT NULL,       -- bits, as in identity.proposal
    reasons jsonb NOT NULL,
    organisation_id uuid REFERENCES identity.organisation (id),  -- that wrote it; null: not known
    made_at timestamptz NOT NULL,        -- since when the evidence is this
    decided_at timestamptz,              -- null: nobody has looked, it came from the evidence
    decided_by uuid,
    reason text NOT NULL DEFAULT '',     -- why, of who decided
    CHECK (state <> 'refused' OR decided_at IS NOT NULL),
    CHECK (state <> 'doubtful' OR decided_at IS NULL),
    CHECK (state <> 'linked' OR basis = 'document' OR decided_at IS NOT NULL),
    CHECK ((decided_at IS NULL) = (reason = ''))
);
CREATE INDEX link_person ON identity.link (person_id);
CREATE INDEX link_doubtful ON identity.link (weight DESC, patient_id) WHERE state = 'doubtful';
CREATE INDEX link_newest ON identity.link ((coalesce(decided_at, made_at)) DESC, patient_id)
 WHERE state <> 'doubtful';

GRANT SELECT, INSERT, UPDATE, DELETE ON identity.link TO citycare_app;
