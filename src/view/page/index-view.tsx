/** All runs and sweeps of a directory. */
import { useState } from 'preact/hooks';
import type { IndexReport, RunReport, SweepRow } from '../document.js';
import { Badge, Level, Section } from './base.js';
import { counted } from './format.js';
import { useLink } from './links.js';
import { sweepColumns } from './list/columns.js';
import { GroupSelect } from './list/group-select.js';
import { RunTable } from './list/run-table.js';
import { SearchBox, SearchHelp, SearchTrouble } from './list/search-box.js';
import { useSearch } from './list/use-search.js';
import { RunView } from './run-view.js';
import { SortableTable } from './sortable-table.js';

export function IndexView({ report }: { readonly report: IndexReport }) {
  const [query, setQuery] = useState('');
  const [groupBy, setGroupBy] = useState('');
  const { common_config: common } = report;
  const { runs, sweeps, unknown } = useSearch(report.runs, report.sweeps, common, query);
  const link = useLink();
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
