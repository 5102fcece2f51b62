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

TEMPEST_ROLES = ("admin", "member", "reader")
"""Each is the role of one of Tempest's users, which are made beforehand:
under TCG it takes a minute and a half to make and delete them in each run."""


def set_up(
    client: rest.Client, service_password: str, tempest_password: str
) -> None:
    """Create projects, users, services and endpoints.

    :param client: authenticated as admin, on a Keystone that has just
        been bootstrapped.
    :param service_password: of the services' users.
    :param tempest_password: of Tempest's users.
    :raises LabError: if that fails.
    """

    def create(kind: str, **fields: object) -> str:
        answer = client.request(
            "POST", "identity", f"/v3/{kind}s", {kind: fields}
        )
        return str(answer[kind]["id"])

    def create_user(
        name: str, password: str, project: str, *roles: str
    ) -> None:
        user = create(
            "user", name=name, password=password, domain_id="default"
        )
        for role in roles:
            client.request(
                "PUT",
                "identity",
                f"/v3/projects/{project}/users/{user}/roles/{role_ids[role]}",
            )

    roles = client.request("GET", "identity", "/v3/roles")["roles"]
    role_ids = {role["name"]: role["id"] for role in roles}
    if "service" not in role_ids:
        role_ids["service"] = create("role", name="service")
    project = create("project", name="service", domain_id="default")
    for service_type, (name, url) in ENDPOINTS.items():
        create_user(name, service_password, project, "admin", "service")
        service = create("service", name=name, type=service_type)
        create(
            "endpoint",
            service_id=service,
            interface="public",
            region_id=REGION,
            url=url,
        )
    project = create("project", name="tempest", domain_id="default")
    for role in TEMPEST_ROLES:
        create_user(f"tempest-{role}", tempest_password, project, role)
