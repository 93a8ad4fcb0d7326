"""FHIR forms as pages: a settled form drawn with labels and errors, a posted one read back.

    sent = await forms.read(request, fields_max=FIELDS_MAX)
    posted = take(filling, sent)                  # answers, repetitions; nothing typed is lost
    page = draw(filling, lang, posted=posted, complete=wants_to_send)
    {{ questions(page.items) }}                   # macros/questions.html, inside a post form

Card
    owns        nothing; `kernel.fhir.forms` decides what is asked, offered and wrong
    fields      `q.<place>` the answers, `q` the places that were drawn, `do` a repetition to add or
                take away; what was not drawn is not touched
    not here    where a draft is kept, files and references (said, not drawn)
    without     script: what an answer brings is asked after the next "go on"
"""

from citycare.web.questions.drawing import draw
from citycare.web.questions.parts import DO, FIELDS_MAX, Asked, Page, Posted, Typed
from citycare.web.questions.taking import take

__all__ = ["DO", "FIELDS_MAX", "Asked", "Page", "Posted", "Typed", "draw", "take"]
