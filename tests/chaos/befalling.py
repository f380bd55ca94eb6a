"""Plays the faults of a plan on the house, each at its moment and on a thread of its own, so that they overlap as drawn."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from tests.chaos.house import House
from tests.chaos.plan import Fault, Kind


class Befalling:
    """The faults of one run. `told` hears of each."""

    def __init__(self, house: House, began: float, tell: Callable[[str], None]) -> None:
        self._house = house
        self._began = began
        self._tell = tell
        self._servers = {"broker": threading.Lock(), "database": threading.Lock()}
        self.played: Counter[str] = Counter()
        self.failed: list[str] = []

    def play(self, faults: Sequence[Fault]) -> float:
        """Returns when the last one is over and everything that was killed is up: that moment, in unix seconds."""
        threads = []
        for fault in faults:
            time.sleep(max(0.0, self._began + fault.at - time.time()))
            thread = threading.Thread(target=self._befall, args=(fault,), name=f"fault-{fault.at:.1f}")
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()
        return time.time()

    def _befall(self, fault: Fault) -> None:
        self._tell(f"{fault.at:6.1f} s  {fault.whom}: {fault.name} for {fault.seconds:.1f} s")
        try:
            if fault.kind in {Kind.CUT, Kind.STILL}:
                self._break_links(fault)
            elif fault.whom in self._servers:
                with self._servers[fault.whom]:
                    self._end_server(fault)
            else:
                self._befall_part(fault)
        except Exception as error:  # noqa: BLE001 - a fault that could not be played is told of, not lost in its thread
            self.failed.append(f"{fault.whom}: {fault.name}: {error!r}")
        else:
            self.played[fault.name] += 1

    def _befall_part(self, fault: Fault) -> None:
        part = self._house.parts[fault.whom]
        if fault.whom.startswith("web"):
            self._house.turn_front(away=fault.whom)
        match fault.kind:
            case Kind.KILL:
                part.kill(fault.seconds)
            case Kind.ASKED:
                part.ask(fault.seconds)
            case Kind.STOP:
                part.stand_still(fault.seconds)
        if fault.whom.startswith("web"):
            self._house.turn_front(to=fault.whom)

    def _end_server(self, fault: Fault) -> None:
        house = self._house
        if fault.whom == "database":
            house.postgres.kill9()
            time.sleep(fault.seconds)
            house.postgres.start()
            return
        if fault.kind is Kind.WIPE:
            house.rabbit.wipe()
        else:
            house.rabbit.kill9()
        time.sleep(fault.seconds)
        house.rabbit.start()

    def _break_links(self, fault: Fault) -> None:
        links = self._house.links_of(fault.whom, fault.server)
        for link in links:
            if fault.kind is Kind.STILL:
                link.black_hole()
            elif fault.seconds:
                link.refuse()
            else:
                link.cut()
        time.sleep(fault.seconds)
        for link in links:
            link.restore()
