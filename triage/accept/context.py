"""Accept: does the request tell of symptoms, of an examination other than screening, or of an earlier disease?

Input: `Header`. Output: which element tells of what, never the text itself, which is about the patient. A threshold
holds for the women with whom it was calibrated: those who come for screening. Women who come for another reason have
other findings, and a normal image is weaker evidence for them.

The words are English, German, Dutch, French and Spanish, and only words that leave no doubt about the subject. A word
counts unless it is plainly negated ("no history of surgery", "keine Beschwerden", "lump: none"), belongs to the family
("family history of breast cancer") or names the programme ("breast cancer screening"). In doubt it counts: "no pain,
lump" refuses, because the comma may end the negation. All elements are type 3 free text: their absence says nothing.
"""

import re
import unicodedata
from collections.abc import Iterator

from triage.accept.header import Header

_TEXTS = (
    "StudyDescription",
    "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
    "ReasonForStudy",
    "ReasonForVisit",
    "ReasonForTheRequestedProcedure",
    "AdditionalPatientHistory",
    "AdmittingDiagnosesDescription",
    "PatientComments",
)
_CODES = (
    "ProcedureCodeSequence",
    "RequestedProcedureCodeSequence",
    "ReasonForRequestedProcedureCodeSequence",
    "ReasonForVisitCodeSequence",
    "AdmittingDiagnosesCodeSequence",
)
_REQUEST = ("RequestedProcedureDescription", "ScheduledProcedureStepDescription", "ReasonForTheRequestedProcedure")
_REQUEST_CODES = ("RequestedProcedureCodeSequence", "ReasonForRequestedProcedureCodeSequence")
READ = (*_TEXTS, *_CODES, "RequestAttributesSequence")
"""Every element that is read."""
CLINICAL_CONTEXT = "ClinicalContext"
"""Entry of `InstanceHeader.attributes`; no DICOM keyword."""

_CANCER = "breast cancer or its treatment"
# Subject: words of the folded text (lower case, no accents). Each is a regular expression for one or more whole words.
_SUBJECTS = {
    "symptoms": (
        r"symptom(?!fre|los|less)\w*|sintom\w*|beschwerden|klachten|lumps?|lumpy|knoten|knobbels?|knobbeltje|bultos?|boule|grosseur",
        r"nodul\w*|mass(?:es)?|masses?|masas?|palpa\w*|tastbar\w*|tastbefund|voelbar\w*|zwelling|swelling|schwellung",
        r"pain|pains|painful|tender\w*|mastalgi\w*|mastodyn\w*|schmerz\w*|\w*pijn\w*|douleurs?|douloureu\w*|dolor\w*",
        r"(?:nipple )?discharge|tepeluitvloed|uitvloed|sekretion|ecoulement\w*|telorr\w*|secrecion|galactorrh\w*",
        r"nipple (?:inversion|retraction|changes?)|inverted nipples?|retraction|dimpling|mastitis|abscess|abszess",
        r"erythema|redness|thickening|induration|skin changes?|adenopath\w*|lymphadenopath\w*",
    ),
    "a diagnostic examination": (
        r"diagnos(?:tic|tics|tisch\w*|tique\w*|tica\w*|tico\w*|tik)|kurativ\w*|abklarung\w*|work ?ups?|call ?backs?",
        r"recall\w*|follow ?ups?|surveillance|nachsorge\w*|nacontrole\w*|seguimiento|verlaufskontrolle\w*",
        r"problem solving|additional views?|spot views?|zusatzaufnahmen?|second look|abnormal\w*|auffallig\w*",
        r"\w*biops\w*|punctie|punktion|ponction|puncion|localis?zation|localisation|markierung|marquage",
        r"(?:bi ?rads|birads) ?[03456]\w?",
    ),
    "breast surgery": (
        r"surg(?:ery|eries|ical|ically)|post ?op\w*|operated|operations?|(?:vor|brust)?operation(?:en)?|operiert",
        r"operatie|geopereerd|chirurgi\w*|operee?s?|operad[ao]s?|cirugias?|intervenida|nach op",
        r"lumpectom\w*|mastectom\w*|mastektom\w*|quadrantectom\w*|segmentectom\w*|tumorectom\w*|tumourectom\w*",
        r"ablati?o\w*|amputati\w*|borstsparend\w*|brusterhaltend\w*|excisions?|exzision\w*|wide local|bct|wle",
        r"implants?|implantate?n?|implantaten?|implantes?|augment\w*|breast reconstruct\w*|reconstructed breasts?",
        r"mammoplast\w*|mammaplast\w*|breast reduction|reduction mammo\w*|pros?thes\w*|protes[ei]s",
    ),
    _CANCER: (
        r"\w*cancer\w*|\w*krebs|\w*kanker\w*|\w*carcino\w*|\w*karzino\w*|mamma ?ca|breast ca|ca breast|ca mamma\w*",
        r"malign\w*|tumou?r\w*|tumeurs?|neoplas\w*|dcis|lcis|metasta\w*|radiotherap\w*|radiation therapy|bestraal\w*",
        r"bestrahl\w*|chemo\w*|tamoxifen\w*|zustand nach|status post|status na",
    ),
}
_SUBJECT = {name: re.compile(rf"\b(?:{'|'.join(words)})\b") for name, words in _SUBJECTS.items()}

# What names the programme or the purpose of screening, and no disease of this woman
_DISEASE = r"(?:malignan\w+ )?(?:neoplas\w+|cancers?|tumou?rs?|malignan\w+|carcinoma)(?: of (?:the )?breasts?)?"
_PROGRAMME = re.compile(
    rf"\b(?:screening|screen|screened) (?:mammo\w+ )?(?:for|of) (?:breast )?{_DISEASE}\b"
    r"|\b(?:breast )?cancer (?:screening|early detection|detection|prevention)\b"
    r"|\bmass screening\b|\b(?:brust)?krebs ?fruherkennung\w*|\bbrustkrebs ?(?:screening|vorsorge)\w*"
    r"|\b(?:borst)?kanker ?screening\w*|\bbevolkingsonderzoek (?:naar )?borstkanker\b"
    r"|\bdepistage (?:organise |individuel )?(?:du |de )?cancers?(?: du sein)?\b"
    r"|\b(?:cribado|deteccion precoz|tamizaje) (?:de |del )?cancer(?: de mama)?\b"
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEGATIONS = _words(
    "no not non nil without denies denied never nor neither absence none kein keine keinen keiner ohne nie geen niet"
    " zonder pas sans aucun aucune ni sin niega ningun ninguna"
)
_FAMILY = _words("family familial familiaux familiale familiares familiar familieanamnese familienanamnese")
"""What they tell of is another's, if it is a cancer; a "familial lump" is hers."""
_LINKS = _words(
    "history hx of prior previous past known personal any breast breasts evidence sign signs clinical palpable other"
    " relevant the vorherige bekannte bekannten fruhere tastbarer eerdere bekende de d du des del la el antecedent"
    " antecedents antecedente antecedentes anamnese voorgeschiedenis vorgeschichte ovarian"
)
"""Words that may stand between a negation and what it negates; any other breaks it: "no change in the lump"."""
_OR = _words("or oder ou o u nor ni of")
_NO = _words("no none nil negative nein keine nee geen non aucun aucune ninguno ninguna n")


def context(header: Header) -> str:
    """Which element tells of what, as `ReasonForStudy: symptoms`; empty if none does. The first that does is named."""
    for keyword, text in _said(header):
        subject = subject_of(text)
        if subject:
            return f"{keyword}: {subject}"
    return ""


def subject_of(text: str) -> str | None:
    """One of the subjects that speak against screening, or None."""
    for clause in re.split(r"[.;,\n\r\\/|]| but | aber | maar | mais | pero | und | and | en | et | y ", _folded(text)):
        words = " ".join(re.findall(r"[a-z0-9]+|[:=?]", clause))
        words = _PROGRAMME.sub("programme", words)
        for subject, pattern in _SUBJECT.items():
            exempting = _NEGATIONS | _FAMILY if subject == _CANCER else _NEGATIONS
            if any(not _exempt(words, found, exempting) for found in pattern.finditer(words)):
                return subject
    return None


def _said(header: Header) -> Iterator[tuple[str, str]]:
    """Every text, with the element that holds it."""
    yield from ((keyword, header.text(keyword)) for keyword in _TEXTS)
    for keyword in _CODES:
        yield from ((keyword, item.text("CodeMeaning")) for item in header.items(keyword))
    for request in header.items("RequestAttributesSequence"):
        yield from ((keyword, request.text(keyword)) for keyword in _REQUEST)
        for keyword in _REQUEST_CODES:
            yield from ((keyword, item.text("CodeMeaning")) for item in request.items(keyword))


def _folded(text: str) -> str:
    """Lower case without accents; abbreviations of `state after` keep together what their dots would part."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r"\bz\.? ?n\.", "zustand nach ", re.sub(r"\bs/p\b", "status post ", plain))


def _exempt(words: str, found: re.Match[str], exempting: frozenset[str]) -> bool:
    """Whether the words around say that this woman has no such thing."""
    after = words[found.end() :].split()
    if after and after[0] in (":", "="):
        return len(after) == 2 and after[1] in _NO
    return _tied(words[: found.start()].split(), exempting)


def _tied(before: list[str], exempting: frozenset[str]) -> bool:
    """Whether an exempting word is tied to what follows by nothing but links; `or` ties two subjects."""
    joined = False
    for word in reversed(before):
        if word in exempting:
            return True
        if word in _OR:
            joined = True
        elif joined and any(pattern.fullmatch(word) for pattern in _SUBJECT.values()):
            joined = False
        elif word not in _LINKS:
            return False
    return False
