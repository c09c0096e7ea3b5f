"""The servers for the test of the image: a DNS server, and a TLS server with a
certificate that nobody trusts. Prints `ready` on stdout when both listen.

usage: servers.py CERTIFICATE KEY
"""

import socket
import ssl
import struct
import sys
import threading

ADDRESS = "127.0.0.1"
KNOWN = b"\x03dns\x05image\x04test\x00"
IPV4 = 1
NO_SUCH_NAME = 3


def answer(query):
    """The answer to a query for one name; resolvers send no others."""
    end = query.index(0, 12) + 1
    name, kind = query[12:end], struct.unpack(">H", query[end : end + 2])[0]
    question = query[12 : end + 4]
    found = name == KNOWN and kind == IPV4
    flags = 0x8180 | (0 if name == KNOWN else NO_SUCH_NAME)
    head = query[:2] + struct.pack(">HHHHH", flags, 1, int(found), 0, 0)
    # The name is a pointer to the question's; the TTL is a minute.
    record = b"\xc0\x0c" + struct.pack(">HHIH", IPV4, 1, 60, 4) + socket.inet_aton(ADDRESS)
    return head + question + (record if found else b"")


def serve_dns(server):
    while True:
        query, client = server.recvfrom(512)
        server.sendto(answer(query), client)


def serve_tls(server, context):
    while True:
        connection, _ = server.accept()
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError as error:
            # The client refuses the certificate, as the test expects.
            print(error, file=sys.stderr)
            connection.close()


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns.bind((ADDRESS, 53))
    tls = socket.create_server((ADDRESS, 443))
    print("ready", flush=True)
    threading.Thread(target=serve_dns, args=(dns,), daemon=True).start()
    serve_tls(tls, context)


main()
