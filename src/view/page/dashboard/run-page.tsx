/** One run, live. */

import type { RunReport } from '../../document.js';
import { RunView } from '../run-view.js';
import { applyRunChange } from './apply.js';
import { launcher } from './launcher.js';
import { encodePath, hashOf, NO_FILTER } from './route.js';
import { useLive } from './use-live.js';
import { Alert, useTitle, Waiting } from './views.js';

export function RunPage({ path }: { readonly path: string }) {
  const { document: report, trouble } = useLive<RunReport>(`/api/runs/${encodePath(path)}`, applyRunChange);
  useTitle(report === undefined ? path : `${report.state}: ${report.name} ${report.id}`);
  if (report === undefined) return <Waiting title={path} trouble={trouble} />;
  const sweep = /^(.+)\/trials\/[^/]+$/.exec(path)?.[1];
  return (
    <>
      {trouble !== undefined && <Alert>{trouble}</Alert>}
      <p class="trail">
        {sweep === undefined ? (
          <a href={hashOf({ kind: 'list', filter: { ...NO_FILTER, experiment: report.name } })}>
            All runs of {report.name}
          </a>
        ) : (
          <a href={hashOf({ kind: 'sweep', path: sweep })}>The sweep of this trial</a>
        )}
      </p>
      <RunView report={report} />
      {report.state === 'interrupted' || report.state === 'killed' ? (
        <p class="note">
          Resume with: <code>{`${launcher} resume ${path}`}</code> in the directory of the experiments.
        </p>
      ) : null}
    </>
  );
}
