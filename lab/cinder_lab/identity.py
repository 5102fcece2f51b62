# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""What Keystone must hold for the other services."""

from cinder_lab import rest

REGION = "RegionOne"

ENDPOINTS = {
    "image": ("glance", "http://127.0.0.1:9292"),
    "block-storage": ("cinder", "http://127.0.0.1:8776/v3"),
}
"""Service types, their users and their addresses inside the guest."""


def set_up(client: rest.Client, service_password: str) -> None:
    """Create the service project, users, services and endpoints.

    :param client: authenticated as admin, on a Keystone that has just
        been bootstrapped.
    :raises LabError: if that fails.
    """

    def create(kind: str, **fields: object) -> str:
        answer = client.request(
            "POST", "identity", f"/v3/{kind}s", {kind: fields}
        )
        return str(answer[kind]["id"])

    roles = client.request("GET", "identity", "/v3/roles")["roles"]
    role_ids = {role["name"]: role["id"] for role in roles}
    if "service" not in role_ids:
        role_ids["service"] = create("role", name="service")
    project = create("project", name="service", domain_id="default")
    for service_type, (name, url) in ENDPOINTS.items():
        user = create(
            "user",
            name=name,
            password=service_password,
            domain_id="default",
        )
        for role in ("admin", "service"):
            client.request(
                "PUT",
                "identity",
                f"/v3/projects/{project}/users/{user}/roles/{role_ids[role]}",
            )
        service = create("service", name=name, type=service_type)
        create(
            "endpoint",
            service_id=service,
            interface="public",
            region_id=REGION,
            url=url,
        )
