"""Apps on the record: SMART on FHIR. Who may read what through which app, for how long.

Card
    owns        schema `smart`; the OAuth endpoints below `/oauth`
    states      client: in use ↔ disabled; approval: in force → over by time | withdrawn (by the
                person) | revoked (by the app) | replayed (a code or refresh token came twice);
                code: issued → used; refresh token: issued → used, its successor issued
    tables      client, approval, code, access, refresh, assertion
    FHIR        none written; `service.tokens.find` tells the FHIR server who calls, and what for
    events out  none of its own: `consent.given` and `consent.withdrawn` go out by way of consents
    events in   consent.withdrawn: all apps of residents lose that record
    policy      smart.access.minutes, smart.backend.minutes, smart.consent.days
    limits      100 scopes of 4,000 signs; 20 redirect addresses; 10 keys of 64 KiB; codes serve
                60 s, launches 5 min, once; assertions live 5 min at most
    rules       PKCE S256 always; exact redirect addresses; a resident's app is allowed by the
                person or the guardian, never by a mere proxy; an app of staff sees what its user
                may see, with a patient at hand only that one; a backend has no role of a human:
                what it may see follows from its organisation; nothing is told twice
    rows        R28 R34 R101
"""
