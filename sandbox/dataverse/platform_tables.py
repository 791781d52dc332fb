"""The tables the platform itself needs: users, teams, units, currencies, the organisation, its messages."""

from __future__ import annotations

from sandbox.dataverse.builders import (
    boolean,
    decimal,
    identifier,
    lookup,
    make_table,
    system_columns,
    text,
    whole,
)
from sandbox.dataverse.columns import Column, Table


def platform_tables() -> list[Table]:
    """Every table that is neither people nor activities."""
    return [*_users(), *_platform()]


def _users() -> list[Table]:
    user = [
        *identifier("SystemUserId"),
        *text(200, "FullName"),
        *text(64, "FirstName", "LastName"),
        *text(1024, "DomainName"),
        *text(100, "InternalEMailAddress", format="Email"),
        *boolean("IsDisabled"),
        *(Column(**{**vars(column), "updatable": False}) for column in identifier("ApplicationId")),
        *lookup("BusinessUnitId", "businessunit"),
        *system_columns(owned=False),
    ]
    team = [
        *identifier("TeamId"),
        *text(160, "Name"),
        *lookup("BusinessUnitId", "businessunit"),
        *system_columns(owned=False),
    ]
    unit = [*identifier("BusinessUnitId"), *text(160, "Name"), *system_columns(owned=False)]
    return [
        make_table(
            "systemuser",
            "systemusers",
            "systemuserid",
            "fullname",
            user,
            schema="SystemUser",
            otc=8,
            owned=False,
            bulk=False,
        ),
        make_table("team", "teams", "teamid", "name", team, otc=9, owned=False, bulk=False),
        make_table(
            "businessunit",
            "businessunits",
            "businessunitid",
            "name",
            unit,
            schema="BusinessUnit",
            otc=10,
            owned=False,
            bulk=False,
        ),
    ]


def _platform() -> list[Table]:
    currency = [
        *identifier("TransactionCurrencyId"),
        *text(100, "CurrencyName"),
        *text(5, "ISOCurrencyCode"),
        *text(10, "CurrencySymbol"),
        *decimal("ExchangeRate", precision=10),
        *system_columns(owned=False),
    ]
    organization = [
        *identifier("OrganizationId"),
        *text(160, "Name"),
        *whole("ExpireChangeTrackingInDays", low=0, high=365, default=7),
        *system_columns(owned=False),
    ]
    message = [*identifier("SdkMessageId"), *text(256, "Name"), *system_columns(owned=False)]
    message_filter = [
        *identifier("SdkMessageFilterId"),
        *text(256, "Name"),
        *text(128, "PrimaryObjectTypeCode"),
        *lookup("SdkMessageId", "sdkmessage"),
        *system_columns(owned=False),
    ]
    return [
        make_table(
            "transactioncurrency",
            "transactioncurrencies",
            "transactioncurrencyid",
            "currencyname",
            currency,
            schema="TransactionCurrency",
            otc=9105,
            owned=False,
            bulk=False,
        ),
        make_table(
            "organization",
            "organizations",
            "organizationid",
            "name",
            organization,
            otc=1019,
            owned=False,
            bulk=False,
            trackable=False,
        ),
        make_table(
            "sdkmessage",
            "sdkmessages",
            "sdkmessageid",
            "name",
            message,
            schema="SdkMessage",
            otc=4606,
            owned=False,
            bulk=False,
            read_only=True,
            trackable=False,
        ),
        make_table(
            "sdkmessagefilter",
            "sdkmessagefilters",
            "sdkmessagefilterid",
            "name",
            message_filter,
            schema="SdkMessageFilter",
            otc=4607,
            owned=False,
            bulk=False,
            read_only=True,
            trackable=False,
        ),
    ]
