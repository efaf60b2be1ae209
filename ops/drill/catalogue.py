"""Every drill, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.drill.faults import clocks, corruption, disks, network, processes, stores

if TYPE_CHECKING:
    from ops.drill.scene import ClusterDrill, Drill

DRILLS: dict[str, Drill] = {
    drill.name: drill for module in (processes, stores, network, corruption, clocks, disks) for drill in module.DRILLS
}

# Failovers of several machines' worth of servers (ops/cluster); for the long command.
CLUSTER_DRILLS: dict[str, ClusterDrill] = {}
