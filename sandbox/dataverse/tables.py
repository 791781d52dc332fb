"""The stock tables as data (dataverse.md §10): contact, account, task, and the view over activities."""

from __future__ import annotations

from functools import cache

from sandbox.dataverse.builders import (
    ACTIVE_INACTIVE,
    activity_columns,
    boolean,
    choice,
    day,
    decimal,
    double,
    identifier,
    lookup,
    make_table,
    memo,
    money,
    read_only,
    states,
    system_columns,
    text,
    whole,
)
from sandbox.dataverse.columns import Column, Table
from sandbox.dataverse.platform_tables import platform_tables

_SHIPPING = ("Airborne", "DHL", "FedEx", "UPS", "Postal Mail", "Full Load", "Will Call")


def _address(number: int, name_length: int) -> list[Column]:
    """One of the numbered addresses; contact and account spell them alike."""
    p = f"Address{number}_"
    return [
        *text(250, f"{p}Line1", f"{p}Line2", f"{p}Line3"),
        *text(80, f"{p}City", f"{p}Country"),
        *text(50, f"{p}County", f"{p}StateOrProvince", f"{p}Fax", *(f"{p}Telephone{n}" for n in (1, 2, 3))),
        *text(20, f"{p}PostalCode", f"{p}PostOfficeBox"),
        *text(name_length, f"{p}Name"),
        *choice(f"{p}AddressTypeCode", "Bill To", "Ship To", "Primary", "Other"),
        *choice(f"{p}ShippingMethodCode", *_SHIPPING),
        *double(f"{p}Latitude", low=-90, high=90),
        *double(f"{p}Longitude", low=-180, high=180),
        *read_only(memo(1000, f"{p}Composite")),
    ]


def _consent() -> list[Column]:
    """The donot… columns (§10.1); donotsendmm's label is inverted once more."""
    return [
        *boolean(
            "DoNotEMail",
            "DoNotBulkEMail",
            "DoNotPhone",
            "DoNotFax",
            "DoNotPostalMail",
            yes="Do Not Allow",
            no="Allow",
        ),
        *boolean("DoNotBulkPostalMail"),
        *boolean("DoNotSendMM", yes="Do Not Send", no="Send", label="Send Marketing Materials"),
        *boolean("FollowEmail", yes="Allow", no="Do Not Allow", default=True),
        *boolean("CreditOnHold"),
    ]


def _currency() -> list[Column]:
    return [
        *lookup("TransactionCurrencyId", "transactioncurrency"),
        *read_only(decimal("ExchangeRate", precision=10)),
    ]


def _contact() -> Table:
    columns = [
        *identifier("ContactId"),
        *text(50, "FirstName", "MiddleName"),
        *text(50, "LastName", required="ApplicationRequired"),
        *read_only(text(160, "FullName")),
        *read_only(boolean("Merged")),
        *text(100, "Salutation", "JobTitle", "Department", "NickName"),
        *text(10, "Suffix"),
        *text(100, "EMailAddress1", "EMailAddress2", "EMailAddress3", format="Email"),
        *text(
            50,
            "Telephone1",
            "Telephone2",
            "Telephone3",
            "MobilePhone",
            "Fax",
            "Company",
            "Home2",
            format="Phone",
        ),
        *text(200, "WebSiteUrl", format="Url"),
        *memo(2000, "Description"),
        *text(50, "ExternalUserIdentifier", "EmployeeId", "GovernmentId"),
        *day("BirthDate", "Anniversary"),
        *choice("GenderCode", "Male", "Female"),
        *choice("FamilyStatusCode", "Single", "Married", "Divorced", "Widowed"),
        *choice("PreferredContactMethodCode", "Any", "Email", "Phone", "Fax", "Mail", default=1),
        *choice(
            "PreferredAppointmentDayCode",
            "Sunday",
            "Monday",
            "Tuesday",
            "Wednesday",
            "Thursday",
            "Friday",
            "Saturday",
            start=0,
        ),
        *choice("PreferredAppointmentTimeCode", "Morning", "Afternoon", "Evening"),
        *(
            column
            for schema in (
                "CustomerTypeCode",
                "CustomerSizeCode",
                "TerritoryCode",
                "EducationCode",
                "HasChildrenCode",
                "ShippingMethodCode",
            )
            for column in choice(schema, "Default Value")
        ),
        *choice("AccountRoleCode", "Decision Maker", "Employee", "Influencer"),
        *_consent(),
        *boolean("IsBackofficeCustomer"),
        *money("CreditLimit", "AnnualIncome"),
        *read_only(money("CreditLimit_Base", "AnnualIncome_Base")),
        *whole("NumberOfChildren", low=0, high=1_000_000_000),
        *states(*ACTIVE_INACTIVE, on_create=False),
        *_address(1, 200),
        *_address(2, 100),
        *_address(3, 200),
        *lookup("ParentCustomerId", "account", "contact", type_="Customer", label="Company Name"),
        *_currency(),
        *system_columns(),
    ]
    return make_table("contact", "contacts", "contactid", "fullname", columns, otc=2, tracking=True)


def _account() -> Table:
    columns = [
        *identifier("AccountId"),
        *text(160, "Name", required="ApplicationRequired"),
        *text(20, "AccountNumber"),
        *text(100, "EMailAddress1", "EMailAddress2", "EMailAddress3", format="Email"),
        *text(50, "Telephone1", "Telephone2", "Telephone3", "Fax", format="Phone"),
        *text(200, "WebSiteUrl", format="Url"),
        *memo(2000, "Description"),
        *money("Revenue", "CreditLimit", "MarketCap"),
        *read_only(money("Revenue_Base", "CreditLimit_Base", "MarketCap_Base")),
        *whole("NumberOfEmployees", low=0, high=1_000_000_000),
        *choice(
            "IndustryCode",
            "Accounting",
            "Agriculture and Non-petrol Natural Resource Extraction",
            "Broadcasting",
        ),
        *choice("CustomerTypeCode", "Competitor", "Consultant", "Customer", "Investor", "Partner"),
        *_consent(),
        *states(*ACTIVE_INACTIVE, on_create=False),
        *_address(1, 200),
        *_address(2, 200),
        *lookup("ParentAccountId", "account"),
        *lookup("PrimaryContactId", "contact"),
        *_currency(),
        *system_columns(),
    ]
    return make_table("account", "accounts", "accountid", "name", columns, otc=1, tracking=True)


_TASK_STATES = (
    (0, "Open", 2, ((2, "Not Started"), (3, "In Progress"), (4, "Waiting on someone else"), (7, "Deferred"))),
    (1, "Completed", 5, ((5, "Completed"),)),
    (2, "Canceled", 6, ((6, "Canceled"),)),
)


def _task() -> Table:
    columns = [
        *activity_columns("task"),
        *text(250, "Category", "Subcategory"),
        *whole("PercentComplete", low=0, high=100),
        *states(*_TASK_STATES),
        *system_columns(),
    ]
    # §6.1: the task reference lists none of the bulk messages
    return make_table("task", "tasks", "activityid", "subject", columns, otc=4212, activity=True, bulk=False)


def _activitypointer() -> Table:
    columns = [*activity_columns("activitypointer"), *states(*_TASK_STATES), *system_columns()]
    return make_table(
        "activitypointer",
        "activitypointers",
        "activityid",
        "subject",
        columns,
        schema="ActivityPointer",
        otc=4200,
        activity=True,
        view=True,
        read_only=True,
        trackable=False,
        bulk=False,
    )


@cache
def stock_tables() -> tuple[Table, ...]:
    """Every table that exists before anybody creates one."""
    return (_account(), _contact(), _task(), _activitypointer(), *platform_tables())
