/** A run: its result, metrics, curves, gates, config and environment. */

import { useState } from 'preact/hooks';
import { counted, formatBytes, formatNumber, formatSeconds, formatTime, words } from '../../util/numbers.js';
import type { ConfigValue, GateReport, RunReport } from '../document.js';
import { Badge, Breakable, Facts, Section, Table, Toggle, useHeading, Value } from './components.js';
import { byImportance } from './curve-data.js';
import { Curves } from './curves.js';
import { BaselineTable, EvaluationView } from './evaluation-view.js';
import { Tags } from './run-columns.js';

export function RunView({ report }: { readonly report: RunReport }) {
  return (
    <article class="run" data-run={report.id}>
      <Head report={report} />
      <Curves report={report} />
      {report.evaluation !== null && <EvaluationView evaluation={report.evaluation} />}
      <GateTable gates={report.gates} />
      <BaselineTable baselines={report.baselines} metrics={report.metrics} />
      <Warnings report={report} />
      <ConfigTable values={report.config} changes={report.changes} />
      <Checkpoints report={report} />
      {report.environment.length > 0 && (
        <Section title="Environment">
          <Facts facts={report.environment} />
        </Section>
      )}
    </article>
  );
}

function Head({ report }: { readonly report: RunReport }) {
  const { id, name, description, state, message, started, gates, tags, note } = report;
  const Heading = useHeading(0);
  return (
    <header>
      <p class="eyebrow">
        Run <span class="id">{id}</span>
      </p>
      <Heading>
        {name} <Badge of={state} />
      </Heading>
      {description !== null && <p class="lead">{description}</p>}
      {tags.length > 0 && (
        <p class="tags">
          <Tags tags={tags} />
        </p>
      )}
      {note !== null && <p class="remarks">{note}</p>}
      {message !== null && (
        <p class="alert" role="note">
          {message}
        </p>
      )}
      <Tiles report={report} />
      {gates.length > 0 && (
        <p class="verdicts">
          {gates.map((gate, i) => (
            <span key={`${i} ${gate.name}`}>
              <Badge of={gate.verdict ?? 'not judged yet'} /> {gate.name}
            </span>
          ))}
        </p>
      )}
      <p class="note">
        {[started === null ? '' : formatTime(started), ...spans(report)].filter(Boolean).join(' · ')}
      </p>
    </header>
  );
}

/** The main figures. */
function Tiles({ report }: { readonly report: RunReport }) {
  const { metrics, best, ending, cautions } = report;
  const order = [...metrics].sort((a, b) => byImportance(a.name, b.name));
  return (
    <>
      <dl class="tiles">
        {order.map(({ name, value }) => (
          <div key={name} data-metric={name}>
            <dt>{words(name)}</dt>
            <dd>
              <Value metric={name} value={value} />
            </dd>
          </div>
        ))}
        {best !== null && (
          <div data-metric="best">
            <dt>best {words(best.metric)}</dt>
            <dd>
              <Value metric={best.metric} value={best.value} />
              <small>
                {' '}
                epoch {best.epoch}, step {best.step}
              </small>
            </dd>
          </div>
        )}
      </dl>
      {ending !== null && <p class="note">{ending}</p>}
      {cautions.map(caution => (
        <p key={caution} class="note">
          {caution}
        </p>
      ))}
    </>
  );
}

function spans({
  steps,
  epochs,
  planned_epochs: planned,
  skipped_batches: skipped,
  resumes,
  timings,
  seed,
}: RunReport) {
  return [
    `${counted(steps, 'step')}, ${planned === null || planned === epochs ? counted(epochs, 'epoch') : `${epochs} of ${counted(planned, 'epoch')}`}`,
    seed === null ? '' : `seed ${seed}`,
    timings === null
      ? ''
      : `${formatSeconds(timings.duration_s)} in all: training ${formatSeconds(timings.train_s)}, evaluation ${formatSeconds(timings.eval_s)}`,
    timings === null || timings.ms_per_step === null
      ? ''
      : `${formatNumber(timings.ms_per_step, 3)} ms a step`,
    timings === null ? '' : `peak memory ${formatBytes(timings.peak_rss_mb * 1e6)}`,
    skipped === 0 ? '' : `${skipped} batches skipped`,
    resumes === 0 ? '' : `resumed ${resumes === 1 ? 'once' : `${resumes} times`}`,
  ];
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

function Checkpoints({ report: { checkpoints } }: { readonly report: RunReport }) {
  if (checkpoints.length === 0) return null;
  return (
    <Section title="Checkpoints">
      <Table
        label="Checkpoints, a table"
        columns={[
          {
            name: 'file',
            show: ({ file, last, best }) => (
              <>
                {file}
                <small>
                  {[last ? 'last' : '', best ? 'best' : ''].filter(Boolean).map(word => ` · ${word}`)}
                </small>
              </>
            ),
          },
          { name: 'step', show: ({ step }) => step },
          { name: 'epoch', show: ({ epoch }) => epoch },
          {
            name: 'value',
            title: checkpoints[0].metric,
            show: ({ metric, value }) => <Value metric={metric} value={value} />,
          },
          { name: 'size', show: ({ bytes }) => formatBytes(bytes) },
        ]}
        rows={checkpoints}
        keyOf={({ file }) => file}
      />
    </Section>
  );
}

export function ConfigTable({
  values,
  changes,
}: {
  readonly values: readonly ConfigValue[];
  readonly changes: RunReport['changes'];
}) {
  const Heading = useHeading(2);
  const [isWhole, setWhole] = useState(false);
  if (values.length === 0) return null;
  const differing = values.filter(({ differs }) => differs);
  const shown = isWhole ? values : differing;
  return (
    <Section title="Config">
      <div class="toolbar">
        <Toggle isOn={isWhole} set={setWhole}>
          also the {values.length - differing.length} values that are the defaults
        </Toggle>
      </div>
      <Table
        label="Config, a table"
        kind="config"
        columns={[
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
        ]}
        rows={shown}
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

export function GateTable({ gates }: { readonly gates: readonly GateReport[] }) {
  if (gates.length === 0) return null;
  return (
    <Section title="Gates">
      <Table
        label="Gates, a table"
        columns={[
          { name: 'metric', show: ({ name }) => name },
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
        ]}
        rows={gates}
        keyOf={({ name }, i) => `${i} ${name}`}
      />
    </Section>
  );
}
