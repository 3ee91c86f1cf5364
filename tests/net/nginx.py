# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""nginx as a server of tests and benchmarks: in the foreground, all that it writes in a folder of its own."""


def configure(folder, http, connections=16384):
    """Writes its configuration there. `http` is what is its own in the block of that name."""
    (folder / "nginx.conf").write_text(f"""
        user root;
        daemon off;
        worker_processes 1;
        pid {folder}/pid;
        error_log {folder}/error.log;
        events {{ worker_connections {connections}; multi_accept on; }}
        http {{
            client_body_temp_path {folder}/body;
            proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            keepalive_requests 1000000;
            {http}
        }}""")


def command(folder):
    return "nginx", "-c", folder / "nginx.conf", "-p", folder, "-e", folder / "error.log"
