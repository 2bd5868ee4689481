//! `GET /metrics` in Prometheus' text format: vLLM's names, which routers and dashboards know, and
//! `wardrobe_` counters by adapter.
//!
//! `vllm:lora_requests_info` names as running every adapter that is loaded and ready, as the Gateway
//! API's inference extension defines it, whether or not a request wears it at the moment.

use std::fmt::Write;
use std::time::SystemTime;

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::state::ApiState;
use crate::engine::{EngineInfo, EngineStats, Histogram, ModelCounts, PrefixCaching};

/// A family's type.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

/// Labels of one sample.
type Labels<'a> = &'a [(&'a str, &'a str)];

/// Picks one figure of an adapter's.
type Count = fn(&ModelCounts) -> u64;

/// Everything the server counts.
pub(crate) async fn metrics(state: Data<ApiState>) -> HttpResponse {
    let stats = state.engine.stats();
    let mut page =
        Page { text: String::with_capacity(16 << 10), model: state.resolver.base_name() };
    page.load(&stats);
    page.cache(&stats, state.engine.info());
    page.requests(&stats);
    page.adapters(&state, &stats);
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(page.text)
}

struct Page<'a> {
    text: String,
    model: &'a str,
}

impl Page<'_> {
    fn load(&mut self, stats: &EngineStats) {
        self.gauge(
            "num_requests_running",
            "Requests in the running batch.",
            stats.num_requests_running as f64,
        );
        self.gauge(
            "num_requests_waiting",
            "Requests that wait for a place.",
            stats.num_requests_waiting as f64,
        );
        self.gauge(
            "kv_cache_usage_perc",
            "Share of KV blocks in use, 0 to 1.",
            stats.kv_cache_usage(),
        );
        self.counter(
            "num_preemptions_total",
            "Requests that gave their blocks back.",
            stats.num_preemptions,
        );
        self.counter("iterations_total", "Steps of the engine.", stats.num_steps);
    }

    fn cache(&mut self, stats: &EngineStats, info: &EngineInfo) {
        let (queries, hits) = (stats.prefix_cache.queries, stats.prefix_cache.hits);
        self.counter("prefix_cache_queries_total", "Prompt tokens looked up.", queries);
        self.counter("prefix_cache_hits_total", "Prompt tokens found.", hits);
        self.family("vllm:cache_config_info", Kind::Gauge, "The KV cache's shape.");
        let (size, blocks) = (info.block_size.to_string(), info.num_blocks.to_string());
        let labels = [
            ("model_name", self.model),
            ("block_size", &size),
            ("num_gpu_blocks", &blocks),
            ("num_cpu_blocks", "0"),
            (
                "enable_prefix_caching",
                if info.prefix_caching == PrefixCaching::On { "True" } else { "False" },
            ),
        ];
        self.sample("vllm:cache_config_info", &labels, 1.0);
    }

    fn requests(&mut self, stats: &EngineStats) {
        let totals = stats.totals();
        self.counter("prompt_tokens_total", "Prompt tokens read.", totals.prompt_tokens);
        self.counter(
            "prompt_tokens_cached_total",
            "Those that the prefix cache saved.",
            totals.cached_tokens,
        );
        self.counter("generation_tokens_total", "Tokens generated.", totals.generation_tokens);
        self.family("vllm:request_success_total", Kind::Counter, "Requests by how they ended.");
        let ended = &stats.finished;
        for (reason, count) in [
            ("stop", ended.stop),
            ("length", ended.length),
            ("abort", ended.aborted),
            ("error", ended.failed),
        ] {
            let labels = [("model_name", self.model), ("engine", "0"), ("finished_reason", reason)];
            self.sample("vllm:request_success_total", &labels, count as f64);
        }
        self.histogram(
            "time_to_first_token_seconds",
            "Submission to first token.",
            &stats.time_to_first_token,
        );
        self.histogram(
            "inter_token_latency_seconds",
            "Between tokens.",
            &stats.inter_token_latency,
        );
        self.histogram("e2e_request_latency_seconds", "Submission to end.", &stats.request_latency);
    }

    fn adapters(&mut self, state: &ApiState, stats: &EngineStats) {
        let loaded = state.resolver.loaded();
        let names: Vec<&str> = loaded.iter().map(|generation| generation.name.as_str()).collect();
        let (names, max) =
            (names.join(","), state.engine.registry().limits().max_adapters.to_string());
        let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |since| since.as_secs_f64());
        self.family("vllm:lora_requests_info", Kind::Gauge, "Adapters that are loaded and ready.");
        let labels =
            [("max_lora", &*max), ("running_lora_adapters", &names), ("waiting_lora_adapters", "")];
        self.sample("vllm:lora_requests_info", &labels, now);
        self.family("wardrobe_adapter_info", Kind::Gauge, "The generation each name stands for.");
        for generation in &loaded {
            let id = generation.id.to_string();
            let labels = [("adapter", generation.name.as_str()), ("generation", &id)];
            self.sample("wardrobe_adapter_info", &labels, 1.0);
        }
        self.family("wardrobe_adapter_bytes", Kind::Gauge, "Memory of each adapter's weights.");
        for generation in &loaded {
            let labels = [("adapter", generation.name.as_str())];
            self.sample("wardrobe_adapter_bytes", &labels, generation.weights.bytes() as f64);
        }
        self.by_adapter(stats);
    }

    /// The base counts under its own name.
    fn by_adapter(&mut self, stats: &EngineStats) {
        let families: [(&str, &str, Count); 4] = [
            ("wardrobe_adapter_requests_total", "Requests.", |counts| counts.requests),
            ("wardrobe_adapter_prompt_tokens_total", "Prompt tokens.", |counts| {
                counts.prompt_tokens
            }),
            ("wardrobe_adapter_cached_tokens_total", "Cached prompt tokens.", |counts| {
                counts.cached_tokens
            }),
            ("wardrobe_adapter_generation_tokens_total", "Tokens generated.", |counts| {
                counts.generation_tokens
            }),
        ];
        for (name, help, count) in families {
            self.family(name, Kind::Counter, help);
            for (adapter, counts) in &stats.by_model {
                self.sample(name, &[("adapter", adapter)], count(counts) as f64);
            }
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.single(name, Kind::Gauge, help, value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.single(name, Kind::Counter, help, value as f64);
    }

    /// A `vllm:` family of one sample.
    fn single(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        let name = format!("vllm:{name}");
        self.family(&name, kind, help);
        self.sample(&name, &[("model_name", self.model), ("engine", "0")], value);
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        let name = format!("vllm:{name}");
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} histogram");
        let bucket = format!("{name}_bucket");
        let mut below = 0;
        let bounds = histogram.bounds.iter().map(f64::to_string).chain(["+Inf".into()]);
        for (bound, count) in bounds.zip(&histogram.counts) {
            below += count;
            let labels = [("model_name", self.model), ("engine", "0"), ("le", bound.as_str())];
            self.sample(&bucket, &labels, below as f64);
        }
        let labels = [("model_name", self.model), ("engine", "0")];
        self.sample(&format!("{name}_sum"), &labels, histogram.sum);
        self.sample(&format!("{name}_count"), &labels, histogram.count as f64);
    }

    fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, value: f64) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let _ = writeln!(self.text, "{name}{{{}}} {value}", labels.join(","));
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_as_prometheus_reads_them() {
        let mut page = Page { text: String::new(), model: "a\"b" };
        page.gauge("num_requests_running", "Running.", 3.0);
        assert_eq!(
            page.text,
            "# HELP vllm:num_requests_running Running.\n# TYPE vllm:num_requests_running gauge\n\
             vllm:num_requests_running{model_name=\"a\\\"b\",engine=\"0\"} 3\n"
        );
    }

    #[test]
    fn buckets_are_cumulative() {
        let histogram =
            Histogram { bounds: &[0.5, 1.0], counts: vec![2, 0, 1], sum: 9.5, count: 3 };
        let mut page = Page { text: String::new(), model: "m" };
        page.histogram("x", "X.", &histogram);
        let values: Vec<&str> =
            page.text.lines().skip(2).filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(values, ["2", "2", "3", "9.5", "3"]);
        assert!(page.text.contains("le=\"0.5\"") && page.text.contains("le=\"+Inf\""));
    }
}
