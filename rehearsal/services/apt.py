"""The apt cache: apt-cacher-ng as a proxy. What one machine fetched, the next ones get from here, without a network."""

from __future__ import annotations

from rehearsal.services.unit import ETC, Service, unit_text

APT_PORT = 3142
CACHE = "/var/cache/apt-cacher-ng"
# Without a network apt-cacher-ng answers 500 even for what it has, unless it is told: that is what this does. It looks
# once before the cache starts, then every 20 s, and starts the cache again when the network has come or gone.
_MODE = """#!/bin/sh
run=/run/rehearsal-apt
offline() {
  for _ in 1 2; do
    curl --silent --head --output /dev/null --max-time 4 $1 "$2" && { echo 0; return; }
    sleep 1
  done
  echo 1
}
case $1 in
once)
  install -d -m 755 -o apt-cacher-ng $run/etc
  mode=$(offline "$2" "$3")
  { cat ETC/apt/acng.conf; echo "OfflineMode: $mode"; } | install -m 644 /dev/stdin $run/etc/acng.conf
  echo "$mode" >$run/mode ;;
watch)
  while sleep 20; do
    [ -e $run/mode ] && [ "$(cat $run/mode)" != "$(offline "$2" "$3")" ] && systemctl restart apt.service
  done ;;
esac
""".replace("ETC", ETC)


def apt_services(address: str, proxy: str, archive: str) -> tuple[Service, Service]:
    """apt-cacher-ng, and what tells it whether there is a network.

    Args:
        address: to listen on.
        proxy: the host's own proxy for apt, "" for none.
        archive: URL of a file of the host's archive that is always there.
    """
    settings = [
        f"CacheDir: {CACHE}",
        "LogDir: /var/log/apt-cacher-ng",
        f"Port: {APT_PORT}",
        f"BindAddress: {address}",
        "ForeGround: 1",
        "SocketPath: /run/rehearsal-apt/socket",
        # What no one asked for in this many days is removed by its own daily cleaning.
        "ExThreshold: 30",
        # Sources over https cannot be cached, but must work.
        "PassThroughPattern: :443$",
        "DnsCacheSeconds: 60",
        *([f"Proxy: {proxy}"] if proxy else []),
    ]
    looking = f'"{f"--proxy {proxy}" if proxy else ""}" "{archive}"'
    script = f"/bin/sh {ETC}/apt/mode.sh"
    cache = Service(
        name="apt",
        unit=unit_text(
            "Package cache of the rehearsal",
            "User=apt-cacher-ng",
            "RuntimeDirectory=rehearsal-apt",
            "RuntimeDirectoryMode=0755",
            "LogsDirectory=apt-cacher-ng",
            f"ExecStartPre=+/bin/chown apt-cacher-ng: {CACHE}",
            f"ExecStartPre=+{script} once {looking}",
            "ExecStart=/usr/sbin/apt-cacher-ng -c /run/rehearsal-apt/etc",
        ),
        files=(("apt/acng.conf", "\n".join(settings) + "\n"), ("apt/mode.sh", _MODE)),
        doors=((address, APT_PORT),),
        packages=("apt-cacher-ng",),
    )
    watch = unit_text("Tells the package cache whether there is a network", f"ExecStart={script} watch {looking}")
    return cache, Service(name="apt-mode", unit=watch)
