"""Who is who: people, documents, relations, organisations, practitioners, accounts, sessions.

Card
    owns        schema `identity`; everybody else keeps ids only (PersonId, never a number)
    tables      person, document, relation, request, proposal, merge, merge_block, organisation,
                department, practitioner, practitioner_role, account, account_grant, session
    states      proposal: open → merged | rejected; merge: done → undone; relation: in force → over;
                request: open → agreed | refused | withdrawn, or over by time
    events out  identity.person_registered, identity.person_corrected, identity.relation_added,
                identity.relation_ended, identity.merged, identity.unmerged,
                identity.session_revoked, identity.match_proposed
    events in   none
    FHIR        none here: `kernel.fhir.publish` maps people and organisations
    policy      identity.guardian.age, identity.adult.age, identity.totp.*, identity.match.*,
                identity.request.*, identity.child.*
    limits      search 50 people, 100 sessions and 200 match candidates listed
    rows        R04 R05 R08
    rules       a verified document matches deterministically, nothing else does; probabilistic
                matching only proposes; merges are reversible; a merged id keeps working; who asks
                to act for another never learns whether that person is on record

It asks nobody's permission: callers ask `consent` first.
"""

from citycare.kernel.events import Periodic
from citycare.kernel.identity.accounts import (
    add_grant,
    close_account,
    end_grant,
    find_or_make_account,
    get_account,
    list_grants,
    register_account,
)
from citycare.kernel.identity.bulk import (
    load_accounts,
    load_departments,
    load_documents,
    load_grants,
    load_organisations,
    load_people,
    load_practitioners,
    load_relations,
    load_roles,
)
from citycare.kernel.identity.corrections import correct_person, end_document
from citycare.kernel.identity.directory import (
    AccountCard,
    SessionCount,
    count_sessions,
    describe_accounts,
    get_merge,
    get_proposal,
    list_all_merges,
    search_accounts,
)
from citycare.kernel.identity.documents import Document, Kind, Sex, mask
from citycare.kernel.identity.factors import (
    Enrolment,
    Verdict,
    enrol_second_factor,
    prove_second_factor,
    reseal_second_factors,
    reset_second_factor,
)
from citycare.kernel.identity.merges import (
    Merge,
    block_merge,
    merge,
    unblock_merge,
    unmerge,
)
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
from citycare.kernel.identity.organisations import (
    Department,
    Organisation,
    OrganisationKind,
    Practitioner,
    add_role,
    get_organisation,
    list_departments,
    list_organisations,
    list_practitioners,
    register_department,
    register_organisation,
    register_practitioner,
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
from citycare.kernel.identity.proposals import (
    Proposal,
    list_proposals,
    propose_matches,
    reject_proposal,
)
from citycare.kernel.identity.relations import (
    MERGES_OF_PERSONS,
    Relations,
    add_relation,
    end_relation,
    get_relation,
    ids_of,
    list_acted_for,
    list_aliases,
    list_powers,
    list_proxies,
    relations_of,
)
from citycare.kernel.identity.requests import (
    Request,
    RequestState,
    Way,
    Wish,
    agree,
    ask_relation,
    get_request,
    leave_relation,
    list_asked,
    list_to_answer,
    purge_requests,
    refuse,
    register_child,
    withdraw_request,
)
from citycare.kernel.identity.sessions import (
    actor_of,
    list_sessions,
    open_session,
    purge_sessions,
    revoke_all,
    revoke_session,
)
from citycare.kernel.identity.specialties import Specialty, get_specialty

PERIODICS = (
    Periodic("identity.purge_sessions", "17 20 * * *", purge_sessions),
    Periodic("identity.purge_requests", "27 20 * * *", purge_requests),
)

__all__ = [
    "MERGES_OF_PERSONS",
    "PERIODICS",
    "Account",
    "AccountCard",
    "Department",
    "Document",
    "Enrolment",
    "HeldDocument",
    "Kind",
    "Merge",
    "NewPerson",
    "Organisation",
    "OrganisationKind",
    "Person",
    "Practitioner",
    "Proposal",
    "ProxyScope",
    "Relation",
    "RelationKind",
    "Relations",
    "Request",
    "RequestState",
    "Session",
    "SessionCount",
    "Sex",
    "Specialty",
    "Verdict",
    "Way",
    "Wish",
    "actor_of",
    "add_documents",
    "add_grant",
    "add_relation",
    "add_role",
    "age_on",
    "agree",
    "ask_relation",
    "block_merge",
    "close_account",
    "correct_person",
    "count_sessions",
    "describe_accounts",
    "end_document",
    "end_grant",
    "end_relation",
    "enrol_second_factor",
    "find_or_make_account",
    "find_person_by_document",
    "get_account",
    "get_merge",
    "get_organisation",
    "get_person",
    "get_proposal",
    "get_relation",
    "get_request",
    "get_specialty",
    "ids_of",
    "leave_relation",
    "list_acted_for",
    "list_aliases",
    "list_all_merges",
    "list_asked",
    "list_departments",
    "list_documents",
    "list_grants",
    "list_organisations",
    "list_persons",
    "list_powers",
    "list_practitioners",
    "list_proposals",
    "list_proxies",
    "list_sessions",
    "list_to_answer",
    "load_accounts",
    "load_departments",
    "load_documents",
    "load_grants",
    "load_organisations",
    "load_people",
    "load_practitioners",
    "load_relations",
    "load_roles",
    "mask",
    "merge",
    "open_session",
    "propose_matches",
    "prove_second_factor",
    "purge_requests",
    "purge_sessions",
    "refuse",
    "register_account",
    "register_child",
    "register_department",
    "register_organisation",
    "register_person",
    "register_practitioner",
    "reject_proposal",
    "relations_of",
    "reseal_second_factors",
    "reset_second_factor",
    "resolve",
    "revoke_all",
    "revoke_session",
    "search_accounts",
    "search_persons",
    "unblock_merge",
    "unmerge",
    "withdraw_request",
]
