"""Exchange: the record's door, FHIR R4 over HTTP, and what follows from what changes behind it.

Card
    owns        schema `exchange`: who is told of changes of the record, how far each has been told,
                and how far it has been looked through for Patients that are residents (`linking`)
    door        `/fhir/R4` (`api/rest`): interactions (`service/serving`), searches, operations;
                what an export made is at `/bulk/fhir`; pages for operators at `/operator/record`
    states      of a Subscription: requested → active, or error when the handshake fails; active →
                error when the receiver is away for too long; error → active when the client asks
                again, or an operator replays the dead letter; any → off
    tables      feed, topic, owner, subscription, event, linking
    FHIR        all of R4, for those who call; Subscription and Basic (topics) are taken in as
                changes of the record, status and error are written
    events out  none
    events in   none: the record itself is the outbox
    limits      bodies of 32 MB, pages of 1,000, 20,000 candidates of a search, 2,000 included;
                `model/subscriptions.py`: 5 MB and 1,000 events a notification, 60 s, 12 tries
    port        `Find`: the token of an app; `Sees`: what the owner of a subscription may see;
                `Sender`: HTTP to receivers
    rules       what may be seen is part of every statement; what is referred to is there; a write
                is audited in its own transaction, reads in batches (ADR 20); by a link one sees and
                never writes; who is told is told at least once, in order for each subscription,
                never by a call into our network
    rows        R28 R34
"""
