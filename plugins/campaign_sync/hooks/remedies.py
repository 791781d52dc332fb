"""What each system's refusals mean and who must do what: data, first hit wins.

Not for rows that Campaign refuses (campaign_answers.py)."""

from __future__ import annotations

from campaign_sync.hooks.rest import Remedy, System

WRONG_HOST = "Check the host of the connection: the answer does not come from the service's API"

# dataverse.md §1.1: branch on `error`, for the numbers change; a known number says more, so it comes first
ENTRA = System(
    "Entra ID",
    (
        Remedy(
            None,
            "aadsts7000215",
            "the client secret is wrong",
            "Put the secret's value (not its id) into the connection's password",
        ),
        Remedy(
            None,
            "aadsts7000222",
            "the client secret has expired",
            "An administrator makes a new secret for the app registration; put it into the password",
        ),
        Remedy(
            None,
            "aadsts700016",
            "the application is unknown in this tenant",
            "Check the connection's login (client id) and tenant_id; they belong to one app registration",
        ),
        Remedy(None, "aadsts90002", "the tenant is unknown", "Correct tenant_id in the connection's extra"),
        Remedy(
            None, "aadsts900023", "the tenant id is malformed", "Correct tenant_id in the connection's extra"
        ),
        Remedy(
            None,
            "aadsts500011",
            "the environment is unknown to this tenant",
            "Check the connection's host: it is the environment's root URL, and belongs to tenant_id",
        ),
        Remedy(
            None,
            "invalid_client",
            "the client id or secret is refused",
            "Check the connection's login and password",
        ),
        Remedy(
            None, "unauthorized_client", "the application may not ask for tokens", "Check login and tenant_id"
        ),
        Remedy(None, "invalid_scope", "the environment's address is refused", "Check the connection's host"),
        Remedy(
            None,
            "invalid_resource",
            "the environment is unknown to this tenant",
            "Check the connection's host",
        ),
        Remedy(
            400,
            "",
            "the request for a token is refused",
            "Check tenant_id, login, password and host of the connection against the app registration",
        ),
        Remedy(
            404,
            "",
            "there is no such tenant or authority",
            "Check tenant_id and authority in the connection's extra",
        ),
    ),
)

TRACK_CHANGES = (
    "Switch on 'Track changes' in the table's properties (Power Apps, Tables, Properties, Advanced options), "
    "or run `python -m campaign_sync setup dynamics --apply` with the rights of a System Customizer"
)
PRIVILEGE = (
    "An administrator gives the application user a security role with organization-level read on the table, and what "
    "else `python -m campaign_sync setup dynamics` prints"
)

# dataverse.md §1.3, §4, §7, §8
DATAVERSE = System(
    "Dataverse",
    (
        Remedy(
            None,
            "0x80072560",
            "the application is not a user of this environment",
            "In the Power Platform admin center, open the environment's settings, Application users, and add "
            "the app registration of the connection's login with a security role",
        ),
        Remedy(
            None,
            "0x80044352",
            "the place in the change feed has expired",
            "Read the table from the start and look for deletions; keep the flow's pauses shorter than the "
            "environment's change-tracking window (7 days unless changed)",
        ),
        Remedy(
            None,
            "0x80072491",
            "change tracking is off for this table",
            TRACK_CHANGES,
        ),
        Remedy(None, "0x80072492", "an intersect table has no change tracking", "Map another table"),
        Remedy(
            None,
            "0x8004f50",
            "a column is protected by column security",
            "Add the application user to its profile",
        ),
        Remedy(None, "prvread", "the application user lacks the right to read this table", PRIVILEGE),
        Remedy(None, "0x80040220", "the application user lacks a privilege", PRIVILEGE),
        Remedy(None, "0x80048306", "the application user has no access to the rows", PRIVILEGE),
        Remedy(None, "0x80040299", "the application user lacks a privilege", PRIVILEGE),
        Remedy(403, "", "the application user lacks a right", PRIVILEGE),
        Remedy(
            None,
            "0x80040251",
            "a plug-in of the environment failed",
            "Give the request id to the administrator of the environment, who finds it in the plug-in trace log",
        ),
        Remedy(
            401,
            "",
            "a new token was refused as well",
            "Check that the connection's tenant_id and host belong to the same organization",
        ),
        Remedy(
            404,
            "resource not found for the segment",
            "the table is not there",
            "Check the table's name in the mapping; it may have been removed or renamed",
        ),
        Remedy(
            None,
            "could not find a property named",
            "a column is not there",
            "Check the columns in the mapping; one may have been removed, or added only seconds ago",
        ),
        *(
            Remedy(
                None,
                text,
                "a column is not there, or is spelt in another case",
                "Check the columns in the mapping; one may have been removed, or added only seconds ago",
            )
            for text in ("undeclared property", "does not exist on type")
        ),
        Remedy(404, "", "there is nothing at this address", WRONG_HOST),
        Remedy(
            413, "", "the request is too large", "Report it: the request should have been cut into pieces"
        ),
        *(
            Remedy(status, "", "the service redirects elsewhere", WRONG_HOST)
            for status in (301, 302, 303, 307, 308)
        ),
    ),
    # dataverse.md §7: SQL deadlock, SQL time-out, transaction rolled back, worker limit, resource lock
    passing_codes=frozenset({"0x80044150", "0x80044151", "0x80040255", "0x80072324", "0x80044339"}),
    row_codes=frozenset({"0x80044150", "0x80044151", "0x80040255", "0x80044339"}),
    # dataverse.md §2: 500 happens too; 501 stays as it is
    passing_reads=frozenset({500, *range(505, 600)}),
)

# campaign.md §1.1
IMS = System(
    "Adobe IMS",
    (
        Remedy(None, "client_secret", "the client secret is wrong", "Correct the connection's password"),
        Remedy(None, "client_id", "the client id is unknown", "Correct the connection's login"),
        Remedy(
            None,
            "invalid_scope",
            "the credential does not have the scopes asked for",
            "Copy the scopes of the Developer Console credential into the connection's extra: scopes",
        ),
        Remedy(400, "", "the credential is refused", "Check login, password and scopes of the connection"),
        Remedy(404, "", "there is no token endpoint", "Check ims_url in the connection's extra"),
    ),
)

ORGANISATION = "Check the organisation in the connection's host: https://mc.adobe.io/<organisation>"
PRODUCT_PROFILE = (
    "In the Adobe Developer Console, add the API 'Adobe Campaign' to the project of this credential with the "
    "product profile 'Campaign Standard - <tenant> - Administrators' of the organisation in the host"
)

# campaign.md §1.5, §11
CAMPAIGN = System(
    "Campaign",
    (
        Remedy(401, "", "a new token was refused as well", PRODUCT_PROFILE),
        Remedy(None, "403003", "the API key is not subscribed to Campaign", PRODUCT_PROFILE),
        Remedy(
            None, "403023", "the credential has no product profile for this organisation", PRODUCT_PROFILE
        ),
        Remedy(403, "", "the credential has no access", PRODUCT_PROFILE),
        Remedy(
            None, "oops. something went wrong", "the gateway does not know the organisation", ORGANISATION
        ),
        Remedy(400, "bad request", "the gateway does not understand the address", ORGANISATION),
        Remedy(
            404,
            "",
            "the resource is not there",
            "Check its name; an administrator publishes it, and unticks 'Hide this resource from APIs'",
        ),
        *(
            Remedy(status, "", "the service redirects elsewhere", WRONG_HOST)
            for status in (301, 302, 303, 307, 308)
        ),
    ),
    doubtful="oops. something went wrong",
)
