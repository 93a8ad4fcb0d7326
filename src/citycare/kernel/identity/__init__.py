"""Who is who: people, documents, relations, organisations, practitioners, accounts, sessions.

Card
    owns        schema `identity`; everybody else keeps ids only (PersonId, never a number)
    tables      person, document, relation, proposal, merge, merge_block, organisation,
                department, practitioner, practitioner_role, account, account_grant, session
    states      proposal: open → merged | rejected; merge: done → undone; relation: in force → over
    events out  identity.relation_added, identity.relation_ended, identity.merged,
                identity.unmerged, identity.session_revoked, identity.match_proposed
    events in   none
    FHIR        none here: `kernel.fhir.publish` maps people and organisations
    policy      identity.guardian.age, identity.adult.age, identity.totp.*, identity.match.*
    limits      search 50 people, 100 sessions and 200 match candidates listed
    rows        R01 R02 R04 R05 R08
    rules       a verified document matches deterministically, nothing else does; probabilistic
                matching only proposes; merges are reversible; a merged id keeps working

It asks nobody's permission: callers ask `consent` first.
"""

from citycare.kernel.identity.accounts import (
    add_grant,
    close_account,
    end_grant,
    find_or_make_account,
    get_account,
    list_grants,
    register_account,
)
from citycare.kernel.identity.documents import Document, Kind, Sex, mask
from citycare.kernel.identity.model import (
    Account,
    HeldDocument,
    NewPerson,
    Person,
    ProxyScope,
    Relation,
    RelationKind,
    Session,
)
from citycare.kernel.identity.persons import (
    add_documents,
    age_on,
    find_person_by_document,
    get_person,
    list_documents,
    list_persons,
    register_person,
    resolve,
    search_persons,
)
from citycare.kernel.identity.relations import (
    Relations,
    add_relation,
    end_relation,
    get_relation,
    list_acted_for,
    list_powers,
    list_proxies,
    relations_of,
)
from citycare.kernel.identity.sessions import (
    actor_of,
    list_sessions,
    open_session,
    revoke_all,
    revoke_session,
)

__all__ = [
    "Account",
    "Document",
    "HeldDocument",
    "Kind",
    "NewPerson",
    "Person",
    "ProxyScope",
    "Relation",
    "RelationKind",
    "Relations",
    "Session",
    "Sex",
    "actor_of",
    "add_documents",
    "add_grant",
    "add_relation",
    "age_on",
    "close_account",
    "end_grant",
    "end_relation",
    "find_or_make_account",
    "find_person_by_document",
    "get_account",
    "get_person",
    "get_relation",
    "list_acted_for",
    "list_documents",
    "list_grants",
    "list_persons",
    "list_powers",
    "list_proxies",
    "list_sessions",
    "mask",
    "open_session",
    "register_account",
    "register_person",
    "relations_of",
    "resolve",
    "revoke_all",
    "revoke_session",
    "search_persons",
]
