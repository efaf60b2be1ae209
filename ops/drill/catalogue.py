"""Every drill, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.cluster.drills import both_failover, journal_cluster_failover, journal_sentinel_failover, records_failover
from ops.drill.faults import clocks, corruption, disks, network, processes, releases, stores
from ops.drill.scene import AS_QUIET, FAILOVER, ClusterDrill

if TYPE_CHECKING:
    from ops.drill.scene import Drill

DRILLS: dict[str, Drill] = {
    drill.name: drill
    for module in (processes, stores, network, corruption, clocks, disks, releases)
    for drill in module.DRILLS
}

# Failovers of several machines' worth of servers; for the long command.
CLUSTER_DRILLS: dict[str, ClusterDrill] = {
    one.name: one
    for one in (
        ClusterDrill("cluster-failover", "a primary of Valkey Cluster (3+3)", journal_cluster_failover, FAILOVER),
        ClusterDrill("sentinel-failover", "Valkey's primary, under Sentinel", journal_sentinel_failover, FAILOVER),
        ClusterDrill("patroni-failover", "PostgreSQL's primary and its Patroni", records_failover, AS_QUIET),
        ClusterDrill("both-failover", "PostgreSQL and Valkey Cluster in turn", both_failover, FAILOVER),
    )
}
