/**
 * Several runs side by side: their curves in one chart, their metrics, their different settings.
 */
import { useMemo } from 'preact/hooks';
import type { ComparisonReport } from '../../document.js';
import { Badge, Breakable, Scroll, Section, Value } from '../base.js';
import { Charts } from '../curves.js';
import { type Compared, colorOf, comparedCurves, comparedMetrics, differingValues } from './comparison.js';
import { hashOf, MAX_COMPARED, NO_FILTER } from './route.js';
import { Significance } from './significance.js';
import { useReports } from './use-reports.js';
import { Alert, useTitle, Waiting } from './views.js';

export function ComparePage({ paths }: { readonly paths: readonly string[] }) {
  const wanted = useMemo(() => [...new Set(paths)].slice(0, MAX_COMPARED), [paths.join('\n')]);
  const { reports, comparison, trouble } = useReports(wanted);
  useTitle(`Comparison of ${wanted.length} runs`);
  if (wanted.length === 0) return <NothingChosen />;
  const compared = wanted.flatMap((path, i): Compared[] => {
    const report = reports.get(path);
    return report === undefined ? [] : [{ path, report, number: i }];
  });
  if (compared.length === 0) return <Waiting title="Comparison" trouble={trouble} />;
  return (
    <article class="comparison wide">
      <header>
        <h1>Comparison of {wanted.length} runs</h1>
      </header>
      {paths.length > wanted.length && <p class="note">Of more runs the first {MAX_COMPARED} are shown.</p>}
      {trouble !== undefined && <Alert>{trouble}</Alert>}
      <Runs compared={compared} comparison={comparison} />
      <ComparedCharts compared={compared} />
      {comparison !== undefined && <Significance report={comparison} />}
      <Differences compared={compared} comparison={comparison} />
    </article>
  );
}

function NothingChosen() {
  return (
    <article>
      <h1>Comparison</h1>
      <p>
        No runs are chosen. <a href={hashOf({ kind: 'list', filter: NO_FILTER })}>Choose some in the list</a>.
      </p>
    </article>
  );
}

interface Props {
  readonly compared: readonly Compared[];
}

interface ComparisonProps extends Props {
  readonly comparison: ComparisonReport | undefined;
}

function Runs({ compared, comparison }: ComparisonProps) {
  const metrics = comparedMetrics(compared, comparison);
  const sideOf = (path: string) => comparison?.sides.find(({ runs }) => runs.includes(path))?.id;
  return (
    <Section title="Runs">
      <Scroll label="Runs and their metrics">
        <table class="numbers compared">
          <thead>
            <tr>
              <th scope="col" class="text">
                run
              </th>
              {comparison !== undefined && (
                <th scope="col" class="text">
                  side
                </th>
              )}
              <th scope="col" class="text">
                state
              </th>
              {metrics.map(({ name }) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
              <th scope="col">epochs</th>
              <th scope="col">seed</th>
            </tr>
          </thead>
          <tbody>
            {compared.map(one => (
              <tr key={one.path} data-row={one.path}>
                <th scope="row" class="text">
                  <Key compared={one} /> {one.report.name}{' '}
                  <a class="id" href={hashOf({ kind: 'run', path: one.path })}>
                    {one.report.id}
                  </a>
                </th>
                {comparison !== undefined && <td class="text">{sideOf(one.path)}</td>}
                <td class="text">
                  <Badge of={one.report.state} />
                </td>
                {metrics.map(({ name, best, values }) => (
                  <td key={name} data-column={name} class={best.has(one.path) ? 'leading' : ''}>
                    <Value metric={name} value={values.get(one.path)} />
                    {best.has(one.path) && <span class="hidden"> (best)</span>}
                  </td>
                ))}
                <td>{one.report.epochs}</td>
                <td>{one.report.seed ?? '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}

function Key({ compared: { number } }: { readonly compared: Compared }) {
  const { color, isDashed } = colorOf(number);
  return <span class={`swatch ${color} ${isDashed ? 'dashed' : ''}`} aria-hidden="true" />;
}

function ComparedCharts({ compared }: Props) {
  const plans = useMemo(() => comparedCurves(compared), [compared]);
  return <Charts plans={plans} />;
}

function Differences({ compared, comparison }: ComparisonProps) {
  const differing = differingValues(compared);
  if (compared.length < 2) return null;
  return (
    <Section title="Config">
      {differing.length === 0 ? (
        <p>All settings are the same.</p>
      ) : (
        <Scroll label="Settings that differ">
          <table class="differences">
            <thead>
              <tr>
                <th scope="col">key</th>
                {compared.map(one => (
                  <th key={one.path} scope="col">
                    <Key compared={one} /> {one.report.name} <span class="id">{one.report.id}</span>
                  </th>
                ))}
                {comparison !== undefined && <th scope="col">changes</th>}
              </tr>
            </thead>
            <tbody>
              {differing.map(({ key, values }) => (
                <tr key={key} data-key={key}>
                  <th scope="row">
                    <Breakable text={key} />
                  </th>
                  {compared.map(({ path }) => (
                    <td key={path}>{values.has(path) ? <code>{values.get(path)}</code> : '–'}</td>
                  ))}
                  {comparison !== undefined && <td data-column="changes">{comparison.changes[key]}</td>}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {comparison !== undefined && comparison.facts.length > 0 && <Facts report={comparison} />}
    </Section>
  );
}

/** Differences besides the config. */
function Facts({ report: { sides, facts } }: { readonly report: ComparisonReport }) {
  return (
    <Scroll label="Data, code and machines that differ">
      <table class="differences">
        <thead>
          <tr>
            <th scope="col">data, code, machine</th>
            {sides.map(({ id }) => (
              <th key={id} scope="col">
                {id}
              </th>
            ))}
            <th scope="col">changes</th>
          </tr>
        </thead>
        <tbody>
          {facts.map(({ key, values, changes_results }) => (
            <tr key={key} data-fact={key}>
              <th scope="row">{key}</th>
              {values.map((value, i) => (
                <td key={sides[i].id}>{value}</td>
              ))}
              <td>{changes_results ? 'perhaps results' : 'nothing'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
