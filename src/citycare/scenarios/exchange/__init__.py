"""Exchange: the record's door, FHIR R4 over HTTP.

Card
    owns        schema `exchange`: who is told of changes of the record, how far each has been told
    states      of a Subscription: requested → active, or error when the handshake fails; active →
                error when the receiver is away for too long; error → active when the client asks
                again, or an operator replays the dead letter; any → off
    tables      feed, topic, owner, subscription, event
    FHIR        Subscription, Basic (topics): taken in as changes of the record, status and error
                are written
    events out  none
    events in   none: the record itself is the outbox
    limits      `model/subscriptions.py`: 5 MB and 1,000 events a notification, 60 s, 12 tries
    port        `Sees`: what the owner of a subscription may see; `Sender`: HTTP to receivers
    rules       who writes into the record does nothing for subscriptions and waits for none; at
                least once, in order for each subscription; a receiver is told of what its owner
                may see, when it happens and again when it is told; never a call into our network
    rows        R28 R34
"""
