"""Words that make a bare number likely to be what it looks like, looked for 48 characters before it and 16 after, or in its JSON key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from gateway.capabilities.findings.model import CUE_AFTER, CUE_BEFORE

CUES: dict[str, tuple[str, ...]] = {
    "TW_ID": ("taiwan", "national id", "身分證", "身份證"),
    "PHONE_NUMBER": (
        "phone", "telephone", "phones", "tel", "telefon", "telefono", "teléfono", "telefone", "téléphone", "fax", "mobile", "mobil", "móvil", "cell",
        "cellphone",
        "celular", "handy", "office", "desk", "landline", "whatsapp", "sms", "text me", "call", "call me", "calling", "dial", "ring me", "reach", "reached",
        "contact", "answering at", "messages to", "hotline", "helpline", "cep", "cn number", "us number", "uk number", "phone number", "my number",
        "電話", "电话", "手机", "전화", "телефон", "тел", "msisdn", "puhelin", "telefoon", "numer telefonu", "gsm", "home number", "work number", "number is",
        "registered", "on my registered", "extension", "kontakt", "ring", "numéro", "numero", "número", "portable", "fijo", "mobiltelefon", "rufnummer",
        "tlf", "puh", "gsm", "sim", "imessage", "signal", "telegram", "wechat", "viber", "dial in", "pager", "switchboard", "reception", "home", "work",
    ),
    "CREDIT_CARD": ("card", "credit", "debit", "visa", "mastercard", "amex", "maestro", "cc", "carte", "karte", "tarjeta"),
    "ABA_ROUTING_NUMBER": ("aba", "routing", "rtn", "bank", "wire", "ach"),
    "US_BANK_NUMBER": (
        "account number", "account no", "account #", "acct", "bank account", "checking", "savings", "kontonummer", "account num", "accountnumber",
    ),
    "DATE_OF_BIRTH": (
        "dob", "birth", "birthday", "birthdate", "date of birth", "born", "d o b", "geboren", "geburtsdatum", "naissance", "né le", "née le", "nacimiento",
        "nascita", "nascimento",
    ),
    "US_SSN": ("ssn", "ssns", "social security", "social", "soc sec", "social sec", "ss#", "ss number", "ss no"),
    "US_ITIN": ("itin", "tax id", "taxpayer", "tin", "individual taxpayer"),
    "US_NPI": ("npi", "national provider", "provider id", "provider identifier", "provider number"),
    "US_MBI": ("mbi", "medicare"),
    "US_PASSPORT": ("passport", "travel document", "passports"),
    "US_DRIVER_LICENSE": ("driver", "drivers", "driver's", "driving", "license", "licence", "dl", "dl#", "dmv", "permit"),
    "MEDICAL_LICENSE": ("dea", "medical license", "medical licence", "prescriber", "certificate"),
    "US_EIN": ("ein", "employer identification", "tax id", "fein", "federal tax"),
    "CA_SIN": ("sin", "social insurance", "nas", "assurance sociale"),
    "BR_CPF": ("cpf", "cadastro de pessoas"),
    "BR_CNPJ": ("cnpj",),
    "MX_RFC": ("rfc",),
    "CL_RUT": ("rut", "run"),
    "AR_CUIT": ("cuit", "cuil"),
    "UK_NHS": ("nhs", "national health", "health service", "patient number", "health number"),
    "UK_PASSPORT": ("passport",),
    "UK_DRIVING_LICENCE": ("driving", "driver", "licence", "license", "dvla"),
    "UK_VEHICLE_REGISTRATION": ("registration", "reg", "plate", "vehicle", "vrm", "number plate"),
    "IE_PPS": ("pps", "ppsn", "personal public service"),
    "SE_PERSONNUMMER": ("personnummer", "pnr", "personal identity", "swedish id", "personnr", "samordningsnummer"),
    "SE_ORGANISATIONSNUMMER": ("organisationsnummer", "orgnr", "org nr", "company identity", "org number", "organisation number"),
    "DK_CPR": ("cpr", "personnummer", "danish id"),
    "IS_KENNITALA": ("kennitala", "kt"),
    "ES_PASSPORT": ("pasaporte", "passport"),
    "IT_VAT_CODE": ("iva", "partita", "piva", "p iva", "vat"),
    "IT_IDENTITY_CARD": ("carta", "identità", "identita", "identity card", "cie", "id card", "documento"),
    "IT_PASSPORT": ("passaporto", "passport"),
    "IT_DRIVER_LICENSE": ("patente", "licenza", "driving", "driver", "license", "licence"),
    "NL_BSN": ("bsn", "burgerservicenummer", "sofinummer", "sofi", "citizen service"),
    "PL_PESEL": ("pesel",),
    "PL_NIP": ("nip",),
    "PT_NIF": ("nif", "contribuinte"),
    "AT_SVNR": ("svnr", "sozialversicherung", "sozialversicherungsnummer", "vsnr", "sv-nummer", "versicherungsnummer"),
    "BG_EGN": ("egn", "егн"),
    "CZ_RODNE_CISLO": ("rodné", "rodne", "rč", "rc", "birth number"),
    "HR_OIB": ("oib",),
    "GR_AMKA": ("amka", "αμκα"),
    "TR_NATIONAL_ID": ("tc", "t c", "kimlik", "turkish id", "tckn", "kişi"),
    "TR_LICENSE_PLATE": ("plaka", "plate", "plakas\u0131"),
    "DE_TAX_ID": ("steuer", "steuer-id", "steueridentifikationsnummer", "idnr", "steuerid", "steuernummer", "tax id", "tin", "steuerliche"),
    "DE_ID_CARD": ("personalausweis", "ausweis", "ausweisnummer", "perso", "id card", "identity card"),
    "DE_PASSPORT": ("pass", "reisepass", "passnummer", "pass-nr", "passport"),
    "DE_HEALTH_INSURANCE": (
        "krankenkasse", "kvnr", "egk", "egk-nummer", "versichertennummer", "krankenversicherung", "krankenversichertennummer", "health insurance",
    ),
    "DE_SOCIAL_SECURITY": (
        "rvnr", "sozialversicherung", "sozialversicherungsnummer", "rentenversicherung", "rentenversicherungsnummer", "svnr", "sozialversicherungsausweis",
        "sv-nummer",
    ),
    "DE_LANR": ("lanr", "arztnummer", "arzt"),
    "DE_BSNR": ("bsnr", "betriebsstättennummer", "betriebsstaettennummer", "betriebsstätte"),
    "DE_VAT_ID": ("ust", "ust-id", "ust-idnr", "umsatzsteuer", "vat", "ustid", "umsatzsteuer-id"),
    "IN_AADHAAR": ("aadhaar", "aadhar", "uidai", "uid"),
    "IN_PAN": ("pan", "permanent account"),
    "IN_PASSPORT": ("passport",),
    "IN_VOTER": ("voter", "epic", "election"),
    "IN_VEHICLE_REGISTRATION": ("vehicle", "registration", "plate", "rto", "reg"),
    "SG_NRIC_FIN": ("nric", "fin", "singapore id"),
    "SG_UEN": ("uen",),
    "KR_FRN": ("frn", "foreigner", "alien registration", "외국인"),
    "KR_RRN": ("rrn", "resident registration", "주민등록번호", "주민"),
    "KR_BRN": ("brn", "business registration", "사업자"),
    "KR_PASSPORT": ("passport", "여권"),
    "HK_ID": ("hkid", "hong kong id", "hk id"),
    "JP_MY_NUMBER": ("my number", "mynumber", "マイナンバー", "個人番号"),
    "TH_TNIN": ("thai", "thai id", "บัตรประชาชน", "tnin", "citizen id"),
    "PH_TIN": ("tin", "taxpayer"),
    "ZA_ID_NUMBER": ("rsa id", "sa id", "south african", "id number", "resident number", "identity number", "permanent resident", "refugee id"),
    "NG_VEHICLE_REGISTRATION": ("plate", "plates", "vehicle", "registration"),
    "AU_TFN": ("tfn", "tax file", "tax file number"),
    "AU_ABN": ("abn", "australian business"),
    "AU_ACN": ("acn", "australian company"),
    "AU_MEDICARE": ("medicare",),
    "NZ_IRD": ("ird", "inland revenue"),
}  # fmt: skip
"""Cue words by category, in lower case. A word stands by itself: between characters that are neither letters nor digits."""

ANTI_CUES = (
    "order", "invoice", "tracking", "transaction", "ticket", "isbn", "issn", "ean", "upc", "gtin", "timestamp", "epoch", "sku", "serial", "build", "version",
    "request id", "batch", "shipment", "purchase order", "po", "reference", "ref", "commit", "offset", "bytes", "imei", "population", "case", "parcel", "seed",
    "receipt", "part number", "model", "barcode", "doi", "arxiv", "pmid", "ms", "nanoseconds", "unix",
)  # fmt: skip
"""Words that make a bare run of digits unlikely to be a person's number, though its check digits hold."""

_WORDS = re.compile(r"[A-Z]+s?(?![a-z])|[A-Z]?[^\W_A-Z]+")


class Context:
    """What stands on one side of a candidate, as words in lower case; a compound name such as ``ssnNumber`` counts as two."""

    __slots__ = ("_phrases", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        words = [word.lower() for word in _WORDS.findall(text)]
        self.words = words
        self._phrases: set[str] | None = None

    def phrases(self) -> set[str]:
        """The words, their singulars, and what two or three of them in a row make."""
        if self._phrases is None:
            words = self.words
            found = set(words)
            found.update(word[:-1] for word in words if word.endswith("s"))
            found.update(map(" ".join, pairwise(words)))
            found.update(map(" ".join, zip(words, words[1:], words[2:], strict=False)))
            self._phrases = found
        return self._phrases


class Cues:
    """The cue words of one row, ready to be compared with the words near a candidate."""

    __slots__ = ("_phrases", "_unspaced")

    def __init__(self, words: Iterable[str]) -> None:
        members = tuple(words)
        self._phrases = frozenset(" ".join(word.lower() for word in _WORDS.findall(member)) for member in members)
        # Scripts that put no spaces between words are searched as they stand.
        self._unspaced = tuple(word for word in members if ord(word[0]) > 0x0E00)

    def near(self, context: Context) -> bool:
        """Whether one of the words is in the context."""
        if not self._phrases.isdisjoint(context.phrases()):
            return True
        return not context.text.isascii() and any(word in context.text for word in self._unspaced)


def before(text: str, start: int) -> Context:
    """The context left of ``start``."""
    return Context(text[max(0, start - CUE_BEFORE) : start])


def after(text: str, end: int) -> tuple[Context, bool]:
    """The context right of ``end`` on the same line, and whether all of it has come."""
    line, newline, _ = text[end : end + CUE_AFTER].partition("\n")
    return Context(line), bool(newline) or len(line) == CUE_AFTER
