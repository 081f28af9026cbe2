/** The page of a report, and the style of all pages. */
import './style.css';
import { render } from 'preact';
import { useState } from 'preact/hooks';
import type { Report } from '../html.js';
import type { IndexReport } from '../index-report.js';
import { NO_FILTER } from './address.js';
import { Badge, Details, Level, Section } from './components.js';
import { RunLists } from './run-lists.js';
import { RunView } from './run-view.js';
import { SweepView } from './sweep-view.js';

function ReportView({ report }: { readonly report: Report }) {
  switch (report.kind) {
    case 'run':
      return <RunView report={report} />;
    case 'sweep':
      return <SweepView report={report} />;
    case 'index':
      return <IndexView report={report} />;
    default:
      return report satisfies never;
  }
}

function IndexView({ report }: { readonly report: IndexReport }) {
  const [filter, setFilter] = useState(NO_FILTER);
  return (
    <article class="index">
      <header>
        <p class="eyebrow">Experiments</p>
        <h1>{report.title}</h1>
      </header>
      <RunLists list={report} filter={filter} change={setFilter} />
      {report.details.length > 0 && (
        <Section title="Each run">
          {report.details.map(run => (
            <Details
              key={`${run.name}/${run.id}`}
              kind="detail"
              summary={
                <>
                  {run.name} <span class="id">{run.id}</span> <Badge of={run.state} />
                </>
              }
            >
              {() => (
                <Level.Provider value={3}>
                  <RunView report={run} />
                </Level.Provider>
              )}
            </Details>
          ))}
        </Section>
      )}
    </article>
  );
}

const place = document.querySelector('main');
const source = document.querySelector('#report')?.textContent;
if (place !== null && source) {
  place.replaceChildren();
  render(<ReportView report={JSON.parse(source)} />, place);
}
