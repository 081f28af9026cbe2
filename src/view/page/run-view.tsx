/** A run: its result, metrics, curves, config and environment. */
import type { RunReport } from '../document.js';
import { Badge, Facts, Scroll, Section, useHeading, Value } from './base.js';
import { ConfigTable } from './config-table.js';
import { Curves } from './curves.js';
import { EvaluationView } from './evaluation-view.js';
import { counted, formatBytes, formatNumber, formatSeconds, formatTime, words } from './format.js';
import { GateTable } from './gate-table.js';
import { Tags } from './list/columns.js';
import { BaselineTable } from './measured-tables.js';
import { byImportance } from './metric-order.js';

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
      <Scroll label="Checkpoints, a table">
        <table class="numbers">
          <thead>
            <tr>
              <th scope="col">file</th>
              <th scope="col">step</th>
              <th scope="col">epoch</th>
              <th scope="col">{checkpoints[0].metric}</th>
              <th scope="col">size</th>
            </tr>
          </thead>
          <tbody>
            {checkpoints.map(({ file, step, epoch, metric, value, bytes, last, best }) => (
              <tr key={file}>
                <th scope="row">
                  {file}
                  <small>
                    {[last ? 'last' : '', best ? 'best' : ''].filter(Boolean).map(word => ` · ${word}`)}
                  </small>
                </th>
                <td>{step}</td>
                <td>{epoch}</td>
                <td>
                  <Value metric={metric} value={value} />
                </td>
                <td>{formatBytes(bytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}
