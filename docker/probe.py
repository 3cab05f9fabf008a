"""Asks a server in this container whether it is well, for health checks: `probe.py HOST:PORT PATH`.

Exit code 0 for an answer of 200, 1 for anything else. It must need nothing but Python: it lies in
images beside the server and imports none of it. Proxies of the environment are not asked.
"""

import http.client
import sys

# Below the time-out of the health checks that run it, which would hide the reason.
_TIMEOUT_S = 4.0


def main(address: str, path: str) -> int:
    """Prints what the server said, for `docker inspect`; returns the exit code."""
    connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        said = response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        sys.stdout.write(f"{address}{path}: {error}\n")
        return 1
    finally:
        connection.close()
    sys.stdout.write(f"{response.status} {said}\n")
    return 0 if response.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
