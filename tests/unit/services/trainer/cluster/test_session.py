"""Processes of a session, whatever group and parent they have."""

import os
import subprocess
import sys

from services.trainer.cluster.session import kill_session, lives, members

LEADER = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import os; os.setpgid(0, 0); print(0, flush=True); input()"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_session_is_killed_with_those_that_left_its_group_or_lost_their_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LEADER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as leader:
        assert leader.stdout is not None
        child = int(leader.stdout.readline())
        assert members(leader.pid).keys() == {leader.pid, child}
        assert lives(leader.pid, child)
        assert not lives(os.getsid(0), child)
        leader.kill()
        leader.wait()
        kill_session(leader.pid)
        assert members(leader.pid) == {}
        assert not lives(leader.pid, child)


def test_this_process_is_a_member_of_its_own_session() -> None:
    assert os.getpid() in members(os.getsid(0))
