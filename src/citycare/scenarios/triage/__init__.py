"""Triage 智能导诊: from where it hurts to the right department, how soon, and what to ask next.

Card
    owns        schema `triage`; the knowledge in `knowledge/` (data, reviewed by clinicians)
    states      asking → advised; any → stopped (a red flag: nothing more is asked)
    tables      dialogue
    FHIR        QuestionnaireResponse, of people who are signed in
    events out  none
    events in   none
    limits      a message of 20,000 characters; 12 questions; dialogues of nobody are kept 24 hours
    rules       red flags first, as rules; then a Bayesian network over conditions; no diagnosis is
                ever shown to a resident; deterministic and offline
    rows        R12
"""
