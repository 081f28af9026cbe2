/** Measurements of a service in Prometheus' text format, version 0.0.4. */

type Labels = Readonly<Record<string, string | number>>;

/** Upper ends of the durations that are counted together, in seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface Metric {
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** By suffix and labels, as they are written. */
  readonly values: Map<string, number>;
}

export class Metrics {
  private readonly metrics = new Map<string, Metric>();

  /** Adds to a counter. */
  count(name: string, help: string, labels: Labels = {}, by = 1): void {
    this.add(this.metric(name, help, 'counter'), labelled('', labels), by);
  }

  gauge(name: string, help: string, value: number, labels: Labels = {}): void {
    this.metric(name, help, 'gauge').values.set(labelled('', labels), value);
  }

  /** Adds a duration in seconds to a histogram. */
  observe(name: string, help: string, seconds: number, labels: Labels): void {
    const metric = this.metric(name, help, 'histogram');
    // all of them, since each counts those below it, too
    for (const end of BUCKETS)
      this.add(metric, labelled('_bucket', { ...labels, le: end }), seconds <= end ? 1 : 0);
    this.add(metric, labelled('_bucket', { ...labels, le: '+Inf' }), 1);
    this.add(metric, labelled('_sum', labels), seconds);
    this.add(metric, labelled('_count', labels), 1);
  }

  text(): string {
    return Array.from(this.metrics, ([name, { help, type, values }]) =>
      [
        `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`,
        ...Array.from(values, ([rest, value]) => `${name}${rest} ${value}\n`),
      ].join(''),
    ).join('');
  }

  private metric(name: string, help: string, type: Metric['type']): Metric {
    const metric = this.metrics.get(name) ?? { help, type, values: new Map() };
    this.metrics.set(name, metric);
    return metric;
  }

  private add({ values }: Metric, key: string, by: number): void {
    values.set(key, (values.get(key) ?? 0) + by);
  }
}

function labelled(suffix: string, labels: Labels): string {
  const escaped = (text: string) =>
    text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  const all = Object.entries(labels).map(([name, value]) => `${name}="${escaped(String(value))}"`);
  return all.length === 0 ? suffix : `${suffix}{${all.join(',')}}`;
}
