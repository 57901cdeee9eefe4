//! Lists of senders and receivers, by names and kinds.

use anyhow::{Context, ensure};
use vene::circuit::{Graph, Receiver, Sender};

/// The senders of a list such as `input,a5.h1,mlps`, in its order, each once.
pub fn sends(list: &str, graph: &Graph) -> anyhow::Result<Vec<Sender>> {
    let mut found = Vec::new();
    for name in list.split(',').map(str::trim) {
        let here: Vec<Sender> = match name {
            "all" => graph.senders().collect(),
            "heads" => graph.senders().filter(|one| matches!(one, Sender::Head { .. })).collect(),
            "mlps" => graph.senders().filter(|one| matches!(one, Sender::Mlp { .. })).collect(),
            name => {
                let sender: Sender = name.parse().context("--senders")?;
                ensure!(graph.has_sender(sender), "--senders: this model has no {sender}");
                vec![sender]
            }
        };
        found.extend(here.into_iter().filter(|sender| !found.contains(sender)).collect::<Vec<_>>());
    }
    Ok(found)
}

/// The receivers of a list such as `a5.h1<q>,m7,logits`, in its order, each once.
pub fn receives(list: &str, graph: &Graph) -> anyhow::Result<Vec<Receiver>> {
    let is_head = |one: &Receiver| !matches!(one, Receiver::Mlp { .. } | Receiver::Logits);
    let mut found = Vec::new();
    for name in list.split(',').map(str::trim) {
        let here: Vec<Receiver> = match name {
            "all" => graph.receivers().collect(),
            "heads" => graph.receivers().filter(is_head).collect(),
            "mlps" => graph.receivers().filter(|one| matches!(one, Receiver::Mlp { .. })).collect(),
            name => {
                let receiver: Receiver = name.parse().context("--receivers")?;
                ensure!(
                    graph.has_receiver(receiver),
                    "--receivers: this model's {} graph has no {receiver}{}",
                    graph.keys(),
                    hint(graph),
                );
                vec![receiver]
            }
        };
        let new = here.into_iter().filter(|one| !found.contains(one));
        found.extend(new.collect::<Vec<_>>());
    }
    Ok(found)
}

fn hint(graph: &Graph) -> &'static str {
    if graph.is_grouped() {
        "; in it keys and values are shared: a0.kv0<k>"
    } else {
        " (`vene circuit graph` says what it has)"
    }
}
