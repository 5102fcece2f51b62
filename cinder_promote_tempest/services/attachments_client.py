# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Client of volume attachments made and completed by the caller."""

from tempest.lib.common import rest_client

from cinder_promote_tempest.services import base_client


class AttachmentsClient(base_client.MicroversionClient):
    """Creates, completes and deletes attachments."""

    # The first that can complete an attachment.
    microversion = "3.44"

    def create_attachment(self, volume_id):
        """Reserve a volume.

        :param volume_id: the volume
        :returns: the attachment, which is not connected to anything
        """
        return self._send(
            "POST",
            "attachments",
            200,
            {"attachment": {"volume_uuid": volume_id}},
            root_tag="attachment",
        )

    def update_attachment(self, attachment_id, connector):
        """Export the volume to a connector.

        :param attachment_id: one that create_attachment made
        :param connector: what os-brick says about this initiator
        :returns: the attachment, with connection_info
        """
        return self._send(
            "PUT",
            f"attachments/{attachment_id}",
            200,
            {"attachment": {"connector": connector}},
            root_tag="attachment",
        )

    def complete_attachment(self, attachment_id):
        """Say that the volume is connected: it becomes in-use."""
        return self._send(
            "POST",
            f"attachments/{attachment_id}/action",
            204,
            {"os-complete": {}},
        )

    def delete_attachment(self, attachment_id):
        """Detach; returns when the volume is no longer exported."""
        return self._send("DELETE", f"attachments/{attachment_id}", 200)

    def _send(self, method, url, expected, body=None, root_tag=None):
        resp, answer = self.send(
            method, url, expected, body=body, microversion=self.microversion
        )
        if root_tag:
            answer = answer[root_tag]
        return rest_client.ResponseBody(resp, answer)
