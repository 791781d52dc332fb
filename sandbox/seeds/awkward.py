"""The awkward people: what real address books hold, one trait each, to be looked up by name in tests."""

from __future__ import annotations

from typing import Any

NO_EMAIL = "no e-mail"
SHARES_EMAIL_1 = "shares an e-mail, first"
SHARES_EMAIL_2 = "shares an e-mail, second"
FEBRUARY_30 = "born on 30 February"
EMOJI = "emoji in the name"
LONG_NOTE = "4,000-character note"
NORWAY = "country NO"
BLANKS = "leading and trailing blanks"
PUNCTUATION = "quotes, semicolons and newlines"
LONG_FIRST_NAME = "50-character first name"
INACTIVE = "inactive"
UPPER_CASE_EMAIL = "upper-case e-mail"
PLUS_EMAIL = "plus sign in the e-mail"
RIGHT_TO_LEFT = "right-to-left name"
INVALID_EMAIL = "invalid e-mail"
OLDEST = "born on 1753-01-01"
LEAP_DAY = "born on 29 February"
NO_NAME = "no name at all"
NUMBERS_AS_TEXT = "leading zeros"
COMBINING = "combining accents"
APOSTROPHE_EMAIL = "apostrophe in the e-mail"
NOTHING = "all empty"
OPTED_OUT = "opted out of everything"

SHARED_EMAIL = "family@example.org"

EVERY_VALUE = """
firstname middlename lastname salutation jobtitle emailaddress1 emailaddress2 mobilephone telephone1
address1_line1 address1_city address1_stateorprovince address1_postalcode address1_country birthdate
gendercode familystatuscode numberofchildren creditlimit _parentcustomerid_value new_consentdate
new_loyaltypoints new_newsletter new_score
""".split()  # noqa: SIM905

AWKWARD: dict[str, dict[str, Any]] = {
    NO_EMAIL: {"emailaddress1": None, "emailaddress2": None, "statecode": 0, "statuscode": 1},
    SHARES_EMAIL_1: {"firstname": "Ada", "lastname": "Shared", "emailaddress1": SHARED_EMAIL},
    SHARES_EMAIL_2: {"firstname": "Bo", "lastname": "Shared", "emailaddress1": SHARED_EMAIL},
    # Dataverse's own date columns cannot hold it; text columns of old imports do
    FEBRUARY_30: {
        "birthdate": None,
        "new_birthdaytext": "1987-02-30",
        "emailaddress1": "february@example.org",
    },
    EMOJI: {"firstname": "Zoë 🌻", "lastname": "👩‍👩‍👧 O’Brien 🇳🇴", "emailaddress1": "emoji@example.org"},
    LONG_NOTE: {
        "new_note": ("Rang an; bat um „Rückruf“.\r\nSecond line\twith a tab.\n" * 80)[:4000],
        "emailaddress1": "note@example.org",
    },
    NORWAY: {
        "address1_country": "NO",
        "emailaddress1": "norway@example.org",
        "statecode": 0,
        "statuscode": 1,
    },
    BLANKS: {
        "firstname": "  Trim ",
        "lastname": "\tMe  ",
        "emailaddress1": " trim.me@example.org ",
        "address1_city": " Bergen\u00a0",
    },
    PUNCTUATION: {
        "firstname": 'Jo "The; Comma, Kid"',
        "lastname": "O'Hara\\N;\"",
        "address1_line1": "Line one\nLine two; \"quoted\"\r\nLine 'three'",
        "emailaddress1": "punctuation@example.org",
    },
    # Dataverse takes 50 characters, Campaign 30 (campaign.md §5)
    LONG_FIRST_NAME: {
        "firstname": "Wolfeschlegelsteinhausenbergerdorffwelchevoraltern",
        "emailaddress1": "long@example.org",
    },
    INACTIVE: {"statecode": 1, "statuscode": 2, "emailaddress1": "inactive@example.org"},
    UPPER_CASE_EMAIL: {"emailaddress1": "SHOUTING@EXAMPLE.ORG", "statecode": 0, "statuscode": 1},
    PLUS_EMAIL: {"emailaddress1": "plus+news@example.org", "statecode": 0, "statuscode": 1},
    RIGHT_TO_LEFT: {
        "firstname": "\u200fعبد الله",
        "lastname": "בן־דוד (Ben-David)",
        "emailaddress1": "rtl@example.org",
    },
    INVALID_EMAIL: {"emailaddress1": "not-an-address", "statecode": 0, "statuscode": 1},
    OLDEST: {"birthdate": "1753-01-01", "emailaddress1": "oldest@example.org"},
    LEAP_DAY: {"birthdate": "2004-02-29", "emailaddress1": "leap@example.org"},
    NO_NAME: {
        "firstname": None,
        "middlename": None,
        "lastname": None,
        "emailaddress1": "nameless@example.org",
    },
    NUMBERS_AS_TEXT: {
        "address1_postalcode": "00501",
        "telephone1": "0049 0351 000",
        "new_birthdaytext": "01.02.03",
        "emailaddress1": "zeros@example.org",
    },
    COMBINING: {
        "firstname": "Zoe\u0308",
        "lastname": "Lefe\u0300vre",
        "emailaddress1": "combining@example.org",
    },
    APOSTROPHE_EMAIL: {"emailaddress1": "mary.o'hara@example.org", "lastname": "O'Hara"},
    NOTHING: dict.fromkeys(EVERY_VALUE),
    OPTED_OUT: {
        "emailaddress1": "never@example.org",
        "donotemail": True,
        "donotbulkemail": True,
        "donotphone": True,
        "donotfax": True,
        "donotpostalmail": True,
        "donotsendmm": True,
        "new_newsletter": False,
    },
}
