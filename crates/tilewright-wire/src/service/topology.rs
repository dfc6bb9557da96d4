//! Who is there: a node tells of itself and asks those that it knows.

use std::time::Duration;

use tokio::task::JoinSet;

use super::client::Peer;
use super::paths;
use crate::exo::node_service::{
    CollectTopologyRequest, DeviceCapabilities, DeviceFlops, PeerConnection, PeerConnections, Topology,
};

/// A question goes no further, whatever it says.
const DEPTH: i32 = 8;
/// How long a node waits for the ones that it knows; each step of the question has half the time of the one before.
const WAIT: Duration = Duration::from_secs(8);

/// This node's own name and whom it knows.
pub(super) struct Neighbours {
    pub(super) id: String,
    pub(super) peers: Vec<Peer>,
    pub(super) device: DeviceCapabilities,
}

/// What this machine is. What was not measured is 0, as exo has it.
pub(super) fn capabilities(model: String) -> DeviceCapabilities {
    let line = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let chip = line("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let kilobytes =
        line("/proc/meminfo", "MemTotal").and_then(|text| text.trim_end_matches(" kB").parse::<i64>().ok());
    let memory = kilobytes.map_or(0, |kilobytes| i32::try_from(kilobytes / 1024).unwrap_or(i32::MAX));
    DeviceCapabilities { model, chip, memory, flops: Some(DeviceFlops::default()) }
}

impl Neighbours {
    pub(super) async fn collect(&self, request: CollectTopologyRequest) -> Topology {
        let mut known = Topology::default();
        known.nodes.insert(self.id.clone(), self.device.clone());
        let to = |peer: &Peer| PeerConnection {
            to_id: peer.address.clone(),
            description: Some("gRPC".to_owned()),
        };
        let connections = PeerConnections { connections: self.peers.iter().map(to).collect() };
        known.peer_graph.insert(self.id.clone(), connections);
        let depth = request.max_depth.min(DEPTH);
        if depth <= 0 {
            return known;
        }
        let mut visited = request.visited;
        visited.push(self.id.clone());
        let next: Vec<Peer> =
            self.peers.iter().filter(|peer| !visited.contains(&peer.address)).cloned().collect();
        visited.extend(next.iter().map(|peer| peer.address.clone()));
        let within = WAIT / 2u32.pow((DEPTH - depth) as u32);
        let mut answers = JoinSet::new();
        for peer in next {
            let question = CollectTopologyRequest { visited: visited.clone(), max_depth: depth - 1 };
            answers.spawn(async move { peer.unary::<_, Topology>(paths::TOPOLOGY, question, within).await });
        }
        // One that does not answer is known by its connection alone.
        while let Some(answer) = answers.join_next().await {
            if let Ok(Ok(theirs)) = answer {
                known.nodes.extend(theirs.nodes);
                known.peer_graph.extend(theirs.peer_graph);
            }
        }
        known
    }
}
