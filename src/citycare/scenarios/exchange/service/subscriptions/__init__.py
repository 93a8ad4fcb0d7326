"""Subscriptions: the record's changes are looked through, and receivers are told of them.

watching     who is to be told of a change: by type, and by a key of the index where one decides
feeding      the record's changes become numbered events, each exactly once
sending      HTTP to a receiver, and never into our own network
delivering   events are told, in order for each subscription, at least once
keeping      what is asked for is checked; the status in the record; giving up and going on
asking       `$status` and `$events`, topics
"""
