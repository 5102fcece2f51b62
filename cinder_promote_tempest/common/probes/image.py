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

"""The probe that needs Glance only: from an image and to an image."""

import hashlib
import io
import os
import shutil
import tempfile

from oslo_log import log as logging
from tempest import config
from tempest.lib.common.utils import data_utils, test_utils

from cinder_promote_tempest.common import exceptions, states, waiters
from cinder_promote_tempest.common.probes import base, qcow2

CONF = config.CONF
LOG = logging.getLogger(__name__)

CONTENT_SIZE = 4 * 1024 * 1024
_CHUNK_SIZE = 1024 * 1024


class ImageProbe(base.Probe):
    """Has the volume created from an image, and compares what it uploads.

    Data cannot be added to a volume in this way: write does nothing, and
    verify checks what the volume was created with.
    """

    def __init__(self, images_client, volumes_client, *, interval, timeout):
        """Initialise.

        :param images_client: tempest.lib's client of images
        :param volumes_client: tempest.lib's client of volumes
        :param interval: seconds between two looks at a state
        :param timeout: seconds to wait for a state
        """
        self._images_client = images_client
        self._volumes_client = volumes_client
        self._limits = {"interval": interval, "timeout": timeout}
        self._source_image_id = None
        self._volume_id = None
        self._sha256 = None

    @classmethod
    def create(cls, os_admin, options):
        """Build one from clients and the options of [cinder_promote]."""
        return cls(
            os_admin.image_client_v2,
            os_admin.volumes_client_latest,
            interval=options.poll_interval,
            timeout=options.state_timeout,
        )

    def volume_arguments(self):
        content = os.urandom(CONTENT_SIZE)
        self._sha256 = hashlib.sha256(content).hexdigest()
        image = self._images_client.create_image(
            name=self._name("source"),
            container_format="bare",
            disk_format="raw",
            visibility="private",
        )
        self._source_image_id = image["id"]
        self._images_client.store_image_file(image["id"], io.BytesIO(content))
        return {"imageRef": image["id"]}

    def open(self, volume_id):
        self._volume_id = volume_id

    def write(self, label):
        LOG.info("The image probe cannot add data %r", label)

    def verify(self):
        image_id = self._volumes_client.upload_volume(
            self._volume_id,
            image_name=self._name("uploaded"),
            # Not raw: what a volume does not use would be uploaded too.
            disk_format="qcow2",
            container_format="bare",
        )["os-volume_upload_image"]["image_id"]
        try:
            self._wait_until_uploaded(image_id)
            actual = hashlib.sha256(self._download(image_id)).hexdigest()
        finally:
            self._delete_image(image_id)
        if actual != self._sha256:
            raise exceptions.WrongData(
                f"The first {CONTENT_SIZE} bytes of volume "
                f"{self._volume_id} have the SHA-256 {actual}, those of the "
                f"image it was created from {self._sha256}"
            )

    def close(self):
        self._volume_id = None
        if self._source_image_id is not None:
            self._delete_image(self._source_image_id)
            self._source_image_id = None

    def _wait_until_uploaded(self, image_id):
        waiters.wait_for_value(
            lambda: self._images_client.show_image(image_id),
            "status",
            states.IMAGE_ACTIVE,
            f"image {image_id}",
            failed=(states.IMAGE_KILLED,),
            **self._limits,
        )
        waiters.wait_for_value(
            lambda: self._volumes_client.show_volume(self._volume_id)[
                "volume"
            ],
            "status",
            states.AVAILABLE,
            f"volume {self._volume_id}",
            failed=(states.ERROR,),
            **self._limits,
        )

    def _download(self, image_id):
        """Return as much as was written: a volume is larger than that."""
        response = self._images_client.show_image_file(image_id, chunked=True)
        try:
            with tempfile.TemporaryFile() as image:
                shutil.copyfileobj(response, image, _CHUNK_SIZE)
                return qcow2.Reader(image).read(CONTENT_SIZE)
        finally:
            response.release_conn()

    def _delete_image(self, image_id):
        test_utils.call_and_ignore_notfound_exc(
            self._images_client.delete_image, image_id
        )

    @staticmethod
    def _name(what):
        return data_utils.rand_name(
            f"promote-{what}-image", prefix=CONF.resource_name_prefix
        )
