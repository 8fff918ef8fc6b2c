"""Files go wrong while a server starts: it serves, or ends with 1 and says why. Once they are right again, it starts and
has everything."""

import re
import shutil

from fault_operations import OPERATIONS, LargeManifest
from fault_world import Ended, World, Wrong
from file_faults import KILL

CAUSES = r"Input/output error|No space left on device|disk I/O error|disk is full|Interrupted system call|" \
         r"unable to open database file|readonly database|database disk image is malformed|can be read but not written"


class Starts:
    """Over copies of one data directory: as a kill left it, as a server that ended in peace left it, and none."""

    def __init__(self, folder, seed):
        self.world = World(folder, seed)
        self.world.settle_down()
        for operation in OPERATIONS:
            if operation is not LargeManifest:
                present = operation(self.world)
                present.prepare()
                present.run()
        self.held = {"killed": (self.world.holds, self.world.positions), "empty": ({}, {})}
        self.held["stopped"] = self.held["killed"]
        server = self.world.server
        server.kill()
        self.keep("killed")
        server.start()
        server.stop()
        self.keep("stopped")
        (self.world.folder / "empty").mkdir()

    def keep(self, name):
        shutil.copytree(self.world.server.data, self.world.folder / name)

    def trial(self, name, kind, first):
        """Returns what was struck, and whether the server refused to start."""
        world, server = self.world, self.world.server
        world.holds, world.positions = self.held[name]
        shutil.rmtree(server.data, ignore_errors=True)
        shutil.copytree(world.folder / name, server.data)
        server.log = ""
        world.arm(kind, first)
        ended = None
        try:
            server.start()
        except Ended as end:
            ended = end
        struck = world.disarm()
        if ended:
            self.check_end(kind, ended)
        elif kind.action == KILL and struck.struck:
            server.kill()
        if not server.process:
            server.start()
        world.look(everything=True)
        world.check_doctor()
        server.kill()
        return struck, ended is not None

    def check_end(self, kind, ended):
        if kind.action == KILL:
            return
        message = ended.said.strip().splitlines()[-1]
        if ended.status != 1:
            raise Wrong(str(ended))
        if not re.match(r"slipway: ", message) or str(self.world.server.data) not in message:
            raise Wrong(f"this does not tell which file: {message}")
        if not re.search(CAUSES, message):
            raise Wrong(f"this does not tell why: {message}")
