/**
 * The page of a folder: all its runs and sweeps. A bundle of its own, since other pages need no
 * lists.
 */

import { useContext, useState } from 'preact/hooks';
import { counted } from '../../util/numbers.js';
import type { IndexReport, RunReport, SweepRow } from '../document.js';
import { Badge, Level, Links, Section, SortableTable, show } from './components.js';
import { sweepColumns } from './run-columns.js';
import { GroupSelect, RunTable, SearchBox, SearchHelp, SearchTrouble, useSearch } from './run-table.js';
import { RunView } from './run-view.js';

export function IndexView({ report }: { readonly report: IndexReport }) {
  const [query, setQuery] = useState('');
  const [groupBy, setGroupBy] = useState('');
  const { common_config: common } = report;
  const { runs, sweeps, unknown } = useSearch(report.runs, report.sweeps, common, query);
  const { run: link } = useContext(Links);
  return (
    <article class="index">
      <header>
        <p class="eyebrow">Experiments</p>
        <h1>{report.title}</h1>
        <p class="note">
          {counted(report.runs.length, 'run')}, {counted(report.sweeps.length, 'sweep')}
        </p>
      </header>
      <div class="toolbar filter">
        <SearchBox value={query} change={setQuery} />
        <GroupSelect rows={runs} common={common} value={groupBy} change={setGroupBy} />
        <output>{query.trim() === '' ? '' : `${runs.length + sweeps.length} found`}</output>
      </div>
      <SearchTrouble unknown={unknown} />
      <SearchHelp />
      {report.runs.length > 0 && (
        <Section title="Runs">
          <RunTable rows={runs} common={common} link={link} groupBy={groupBy} />
        </Section>
      )}
      {report.sweeps.length > 0 && (
        <Section title="Sweeps">
          <SortableTable
            label="Sweeps"
            columns={sweepColumns<SweepRow>(sweeps, link)}
            rows={sweeps}
            keyOf={row => row.path}
            most={100}
          />
        </Section>
      )}
      {report.unreadable.length > 0 && (
        <Section title="Not readable">
          <ul class="warnings">
            {report.unreadable.map(({ path, message }) => (
              <li key={path}>
                <code>{path}</code> {message}
              </li>
            ))}
          </ul>
        </Section>
      )}
      {report.details.length > 0 && (
        <Section title="Each run">
          {report.details.map(run => (
            <Detail key={`${run.name}/${run.id}`} run={run} />
          ))}
        </Section>
      )}
    </article>
  );
}

/** Created when opened. */
function Detail({ run }: { readonly run: RunReport }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="detail" onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>
        {run.name} <span class="id">{run.id}</span> <Badge of={run.state} />
      </summary>
      {isOpen && (
        <Level.Provider value={3}>
          <RunView report={run} />
        </Level.Provider>
      )}
    </details>
  );
}

show<IndexReport>(report => <IndexView report={report} />);
