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

"""ZooKeeper on loopback, with TLS, which Zuul insists on."""

from collections.abc import Iterator
import contextlib
import pathlib

from zuul_lab import certificates, programs

_JAVA = pathlib.Path("/usr/share/java")
# Debian's own class path lacks what TLS needs, netty.
_JARS = (
    *("zookeeper", "zookeeper-jute", "slf4j-api", "slf4j-simple"),
    *("netty-all", "netty-buffer", "netty-codec", "netty-common"),
    *("netty-handler", "netty-resolver", "netty-transport"),
    *("netty-transport-native-unix-common", "netty-transport-native-epoll"),
    *("snappy-java", "commons-io", "metrics-core", "jackson-databind"),
)
_MAIN = "org.apache.zookeeper.server.ZooKeeperServerMain"
_SECONDS = 60


@contextlib.contextmanager
def running(
    directory: pathlib.Path, tls: certificates.Certificates
) -> Iterator[int]:
    """Run ZooKeeper; yields its port."""
    port = programs.free_port()
    settings = directory / "zoo.cfg"
    settings.write_text(f"""\
dataDir={directory / "zookeeper"}
secureClientPort={port}
secureClientPortAddress=127.0.0.1
serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory
ssl.keyStore.location={tls.both}
ssl.keyStore.type=PEM
ssl.trustStore.location={tls.authority}
ssl.trustStore.type=PEM
admin.enableServer=false
maxClientCnxns=0
""")
    classes = ":".join(str(_JAVA / f"{name}.jar") for name in _JARS)
    with programs.running(
        "zookeeper",
        ["java", "-Xmx256m", "-cp", classes, _MAIN, settings],
        directory,
    ) as program:
        program.wait(lambda: programs.listens(port), _SECONDS)
        yield port
