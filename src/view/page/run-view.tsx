/** A run: its result, metrics, curves, gates, evaluation, config and environment. */

import { useMemo, useState } from 'preact/hooks';
import {
  counted,
  formatBytes,
  formatNumber,
  formatSeconds,
  formatTime,
  isFraction,
  titleOf,
  words,
} from '../../util/numbers.js';
import {
  Badge,
  Breakable,
  type Column,
  Facts,
  Head,
  Parts,
  Section,
  Table,
  TableSection,
  Toggle,
  useHeading,
  Value,
} from '../components/components.js';
import { MeasuredTable } from '../components/measured.js';
import { byImportance, distinct } from '../components/run-list.js';
import { isConstantRate, type Places } from '../components/scales.js';
import type { RunReport, Sample } from '../run-report.js';
import { type ChartPlan, type ChartSeries, Charts, curveTitle } from './chart.js';
import { EvaluationView } from './evaluation-view.js';
import { ExplanationView } from './explanation-view.js';
import { LiveModel } from './live-model.js';

export function RunView({ report }: { readonly report: RunReport }) {
  const { curves, steps_per_epoch, elapsed } = report;
  const plans = useMemo(
    () => plansOf(curves, { steps_per_epoch, elapsed }),
    [curves, steps_per_epoch, elapsed],
  );
  return (
    <article class="run" data-run={report.id}>
      <Parts>
        <RunHead report={report} />
        <TableSection title="Gates" columns={GATES} rows={report.gates} />
        <Charts plans={plans} />
        {report.sample !== null && <GeneratedText sample={report.sample} />}
        <LiveModel report={report} />
        {report.evaluation !== null && <EvaluationView evaluation={report.evaluation} />}
        {report.explanation !== null && <ExplanationView explanation={report.explanation} />}
        <Baselines report={report} />
        <Warnings report={report} />
        <Config report={report} />
        <TableSection
          title="Checkpoints"
          columns={CHECKPOINTS(report.checkpoints[0]?.metric)}
          rows={report.checkpoints}
        />
        <Facts title="Environment" facts={report.environment} />
      </Parts>
    </article>
  );
}

function RunHead({ report }: { readonly report: RunReport }) {
  const { metrics, main, best, started } = report;
  const order = metrics.toSorted((a, b) => byImportance(a.name, b.name, main));
  return (
    <Head
      kind="Run"
      report={report}
      tiles={[
        ...order.map(({ name, value }) => ({ name, title: words(name), metric: name, value })),
        best && {
          ...{ name: 'best', title: `best ${words(best.metric)}`, metric: best.metric, value: best.value },
          more: `epoch ${best.epoch}, step ${best.step}`,
        },
      ]}
      notes={[
        report.ending,
        ...report.cautions,
        [started === null ? '' : formatTime(started), ...spans(report)].filter(Boolean).join(' · '),
      ]}
    />
  );
}

function spans(report: RunReport): readonly string[] {
  const { epochs, planned_epochs: planned, skipped_batches: skipped, resumes, timings, seed } = report;
  const done =
    planned === null || planned === epochs
      ? counted(epochs, 'epoch')
      : `${epochs} of ${counted(planned, 'epoch')}`;
  const times =
    timings === null
      ? []
      : [
          `${formatSeconds(timings.duration_s)} in all: training ${formatSeconds(timings.train_s)}, evaluation ${formatSeconds(timings.eval_s)}`,
          timings.ms_per_step === null ? '' : `${formatNumber(timings.ms_per_step, 3)} ms per step`,
          timings.peak_rss_mb === 0 ? '' : `peak memory ${formatBytes(timings.peak_rss_mb * 1e6)}`,
        ];
  return [
    `${counted(report.steps, 'step')}, ${done}`,
    seed === null ? '' : `seed ${seed}`,
    ...times,
    skipped === 0 ? '' : `${skipped} batches skipped`,
    resumes === 0 ? '' : `resumed ${resumes === 1 ? 'once' : `${resumes} times`}`,
  ];
}

export const GATES: readonly Column<RunReport['gates'][number]>[] = [
  { name: 'metric', isText: true, show: ({ name }) => name },
  { name: 'value', show: ({ value }) => <Value metric="gate" value={value} /> },
  { name: 'required', show: ({ required }) => required },
  {
    name: 'verdict',
    isText: true,
    show: ({ verdict, reason }) => (
      <>
        <Badge of={verdict ?? 'not judged yet'} />
        {reason !== null && <small> {reason}</small>}
      </>
    ),
  },
  { name: 'requested in', isText: true, show: ({ place }) => <code>{place}</code> },
];

function Baselines({ report: { baselines, metrics } }: { readonly report: RunReport }) {
  const known = new Set(baselines.flatMap(baseline => baseline.metrics.map(({ name }) => name)));
  const columns = metrics.map(({ name }) => name).filter(name => known.has(name));
  const rows = [{ name: 'this run', metrics }, ...baselines].map(({ name, metrics: values }) => ({
    name,
    values: columns.map(column => values.find(metric => metric.name === column)?.value ?? null),
  }));
  return (
    <MeasuredTable
      title="Trivial baselines"
      note="Scores of predictions that ignore the input."
      of="prediction"
      columns={columns}
      rows={baselines.length === 0 ? [] : rows}
    />
  );
}

function Warnings({ report: { warnings, damaged } }: { readonly report: RunReport }) {
  if (warnings.count === 0 && damaged.count === 0) return null;
  const more = warnings.count - warnings.first.length;
  const moreLines = damaged.count - damaged.first.length;
  return (
    <Section title="Warnings">
      <ul class="warnings">
        {warnings.first.map(({ code, message, step }, i) => (
          <li key={`${i} ${code}`}>
            <code>{code}</code> {message}
            {step !== null && <small> step {step}</small>}
          </li>
        ))}
        {more > 0 && <li>and {more} more</li>}
        {damaged.first.map(({ line, message }) => (
          <li key={line}>
            <code>log.jsonl:{line}</code> {message}
          </li>
        ))}
        {moreLines > 0 && <li>and {counted(moreLines, 'more damaged line')}</li>}
      </ul>
    </Section>
  );
}

const CHECKPOINTS = (metric: string | undefined): readonly Column<RunReport['checkpoints'][number]>[] => [
  {
    name: 'file',
    show: ({ file, last, best }) => (
      <>
        {file}
        <small>{[last && ' · last', best && ' · best']}</small>
      </>
    ),
  },
  { name: 'step', show: ({ step }) => step },
  { name: 'epoch', show: ({ epoch }) => epoch },
  {
    name: 'value',
    title: metric,
    show: measured => <Value metric={measured.metric} value={measured.value} />,
  },
  { name: 'size', show: ({ bytes }) => formatBytes(bytes) },
];

const CONFIG: readonly Column<RunReport['config'][number]>[] = [
  { name: 'key', show: ({ key }) => <Breakable text={key} /> },
  {
    name: 'value',
    show: ({ value, overridden }) => (
      <>
        <code>{value}</code>
        {overridden && <span class="tag">command line</span>}
      </>
    ),
  },
  { name: 'default', show: ({ default: usual }) => (usual === null ? '–' : <code>{usual}</code>) },
];

function Config({ report: { config, changes } }: { readonly report: RunReport }) {
  const Heading = useHeading(2);
  const [isWhole, setWhole] = useState(false);
  if (config.length === 0) return null;
  const differing = config.filter(({ differs }) => differs);
  return (
    <Section title="Config">
      <div class="toolbar">
        <Toggle isOn={isWhole} set={setWhole}>
          also the {config.length - differing.length} values that are the defaults
        </Toggle>
      </div>
      <Table
        label="Config, a table"
        kind="config"
        columns={CONFIG}
        rows={isWhole ? config : differing}
        keyOf={({ key }) => key}
        classOf={({ differs }) => (differs ? 'differs' : 'usual')}
      />
      {changes.length > 0 && (
        <>
          <Heading>Changed on the way</Heading>
          <ul>
            {changes.map(({ step, key, from, to }) => (
              <li key={`${step} ${key}`}>
                after step {step}: <code>{key}</code> from <code>{from}</code> to <code>{to}</code>
              </li>
            ))}
          </ul>
        </>
      )}
    </Section>
  );
}

type Named = readonly [name: string, label: string, color: ChartSeries['color']];

/** In display order; the colour shows the split, in every chart. */
const SPLITS: readonly Named[] = [
  ['epoch', 'train, mean of the epoch', 'train'],
  ['train_set', 'train set', 'other'],
  ['validation', 'validation', 'validation'],
  ['test', 'test', 'test'],
];
const BATCHES: Named = ['train', 'train, each batch', 'faint'];
const SINGLE = ['learning_rate', 'grad_norm', 'samples_per_s'];

function plansOf(curves: RunReport['curves'], places: Places): readonly ChartPlan[] {
  const planOf = (title: string, named: readonly Named[], isFraction = false): ChartPlan => ({
    title,
    isFraction,
    series: named.flatMap(([name, label, color]) => {
      const curve = curves[name];
      return curve === undefined ? [] : [{ name, label, color, curve, places }];
    }),
  });
  const measured = Object.keys(curves)
    .filter(name => name.includes('.'))
    .map(name => name.slice(name.indexOf('.') + 1));
  const metrics = distinct(['loss', ...measured.sort()]).map(metric => {
    const splits = metric === 'loss' ? [BATCHES, ...SPLITS] : SPLITS;
    const named = splits.map(([split, label, color]): Named => [`${split}.${metric}`, label, color]);
    return planOf(titleOf(metric), named, isFraction(metric));
  });
  const single = SINGLE.filter(name => !isConstantRate(name, curves[name])).map(name => {
    const title = curveTitle(name);
    return planOf(title, [[name, title.toLowerCase(), 'train']]);
  });
  return [...metrics, ...single].filter(({ series }) => series.length > 0);
}

function GeneratedText({ sample: { text, length, temperature, seed } }: { readonly sample: Sample }) {
  return (
    <Section
      title="Generated text"
      note={`${length} symbols at temperature ${temperature}, with seed ${seed}; without a prompt.`}
    >
      <pre class="remarks">{text}</pre>
    </Section>
  );
}
