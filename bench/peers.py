"""What others use to bring a Dataverse table into Parquet files, each as its own manual shows it.

    .venv-bench/bin/python bench/peers.py microsoft|dlt|dlt-arrow|requests FOLDER COLUMN…

Run by extract.py in an environment of its own (requirements-bench.txt); needs the sandbox's variables. Reads the table
contact in pages of 5,000 rows and hands over what that cost, imports not counted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from measuring import cost_of, hand_over

PAGE = 5000
ENV = os.environ
SCOPE = f"{ENV['DATAVERSE_URL']}/.default"
ROWS = f"{ENV['DATAVERSE_URL']}/api/data/v9.2/"


def token() -> str:
    """A bearer token, as any script gets one."""
    import requests

    form = {
        "grant_type": "client_credentials",
        "client_id": ENV["DATAVERSE_CLIENT_ID"],
        "client_secret": ENV["DATAVERSE_CLIENT_SECRET"],
        "scope": SCOPE,
    }
    url = f"{ENV['ENTRA_AUTHORITY']}/{ENV['TENANT_ID']}/oauth2/v2.0/token"
    return str(requests.post(url, data=form, timeout=60).json()["access_token"])


def microsoft(folder: Path, columns: list[str]) -> Callable[[], int]:
    """Microsoft's own client: pages of records, a data frame each."""
    import pandas as pd
    from azure.identity import ClientSecretCredential
    from PowerPlatform.Dataverse.client import DataverseClient

    credential = ClientSecretCredential(
        ENV["TENANT_ID"],
        ENV["DATAVERSE_CLIENT_ID"],
        ENV["DATAVERSE_CLIENT_SECRET"],
        authority=ENV["ENTRA_AUTHORITY"],
        disable_instance_discovery=True,
    )

    def work() -> int:
        rows = 0
        with DataverseClient(ENV["DATAVERSE_URL"], credential) as client:
            pages = client.records.list_pages("contact", select=columns, page_size=PAGE)
            for number, page in enumerate(pages):
                frame = pd.DataFrame([record.data for record in page])
                frame.to_parquet(folder / f"{number}.parquet", compression="zstd")
                rows += len(frame)
        return rows

    return work


def plain(folder: Path, columns: list[str]) -> Callable[[], int]:
    """A script with requests and pandas."""
    import pandas as pd
    import requests

    def work() -> int:
        session, rows, number = requests.Session(), 0, 0
        session.headers.update({"Authorization": f"Bearer {token()}", "Prefer": f"odata.maxpagesize={PAGE}"})
        link: str | None = f"{ROWS}contacts?$select={','.join(columns)}"
        while link:
            answer = session.get(link, timeout=120)
            answer.raise_for_status()
            page = answer.json()
            frame = pd.json_normalize(page["value"])
            frame.to_parquet(folder / f"{number}.parquet", compression="zstd")
            rows, number, link = rows + len(frame), number + 1, page.get("@odata.nextLink")
        return rows

    return work


def dlt_rest(folder: Path, columns: list[str]) -> Callable[[], int]:
    """dlt's REST source, into Parquet files."""
    from dlt.sources.rest_api import rest_api_source

    def work() -> int:
        source = rest_api_source(
            {
                "client": {
                    "base_url": ROWS,
                    "auth": {"type": "bearer", "token": token()},
                    "headers": {"Prefer": f"odata.maxpagesize={PAGE}"},
                    "paginator": {"type": "json_link", "next_url_path": "['@odata.nextLink']"},
                },
                "resources": [
                    {
                        "name": "contacts",
                        "endpoint": {
                            "path": "contacts",
                            "params": {"$select": ",".join(columns)},
                            "data_selector": "value",
                        },
                    }
                ],
            }
        )
        return _piped(folder, source)

    return work


def dlt_arrow(folder: Path, columns: list[str]) -> Callable[[], int]:
    """dlt's REST client, whose pages become Arrow tables before dlt sees the rows."""
    import dlt
    import pyarrow as pa
    from dlt.sources.helpers.rest_client import RESTClient
    from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
    from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator

    def work() -> int:
        client = RESTClient(
            ROWS,
            headers={"Prefer": f"odata.maxpagesize={PAGE}"},
            auth=BearerTokenAuth(token()),
            paginator=JSONLinkPaginator("['@odata.nextLink']"),
            data_selector="value",
        )

        @dlt.resource(name="contacts")
        def contacts():  # type: ignore[no-untyped-def]
            for page in client.paginate("contacts", params={"$select": ",".join(columns)}):
                yield pa.Table.from_pylist(list(page))

        return _piped(folder, contacts())

    return work


def _piped(folder: Path, data: object) -> int:
    import dlt

    pipeline = dlt.pipeline(
        "contacts",
        destination=dlt.destinations.filesystem(bucket_url=folder.as_uri()),
        dataset_name="contacts",
        pipelines_dir=str(folder / "state"),
        progress=None,
    )
    pipeline.run(data, loader_file_format="parquet").raise_on_failed_jobs()
    return int(pipeline.last_trace.last_normalize_info.row_counts["contacts"])


PEERS = {"microsoft": microsoft, "requests": plain, "dlt": dlt_rest, "dlt-arrow": dlt_arrow}

if __name__ == "__main__":
    name, where, *wanted = sys.argv[1:]
    Path(where).mkdir(parents=True)
    hand_over(cost_of(PEERS[name](Path(where), wanted)))
