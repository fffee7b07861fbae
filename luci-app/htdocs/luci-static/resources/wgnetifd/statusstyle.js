'use strict';
'require baseclass';
'require wgnetifd.style as style';

/* Rules of the monitoring page and of "Add a device" for what LuCI's themes have
 * no class for. Colours that mean something are readable on light and on dark
 * ground; the others are the theme's. */

const RULES = [
	'.wgn-head { display: flex; flex-wrap: wrap; gap: .5em; align-items: center; justify-content: space-between; }',
	'.wgn-page .ifacebox { text-align: left; }',

	/* States: a dot and a word. */
	'.wgn-state { display: inline-flex; align-items: center; gap: .4em; font-weight: bold; white-space: nowrap; }',
	'.wgn-state::before { content: ""; flex: none; width: 9px; height: 9px; border-radius: 50%; background: currentColor; }',
	'.wgn-ok { color: #1a7f37; } .wgn-busy { color: #855700; } .wgn-bad { color: #cf222e; } .wgn-idle { color: #57606a; } .wgn-off { color: #59636e; }',
	'[data-darkmode="true"] .wgn-ok { color: #3fb950; } [data-darkmode="true"] .wgn-busy { color: #d29922; } [data-darkmode="true"] .wgn-bad { color: #ff7b72; }',
	'[data-darkmode="true"] .wgn-idle { color: #a0aab4; } [data-darkmode="true"] .wgn-off { color: #8b949e; }',
	'.wgn-off.wgn-state::before { background: none; border: 2px solid currentColor; box-sizing: border-box; }',

	/* Interfaces, and the chart beside a single one. */
	'.wgn-summary { margin: 1em 0 1.5em; display: grid; gap: 1.25em; grid-template-columns: minmax(0, 1fr); }',
	'.wgn-summary.wgn-single { grid-template-columns: minmax(17em, 1fr) minmax(0, 3fr); }',
	'.wgn-summary.wgn-single > .wgn-cards:empty, .wgn-summary-chart:empty { display: none; }',
	'.wgn-cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(17em, 1fr)); gap: 1em; }',
	'.wgn-single .wgn-cards { grid-template-columns: minmax(0, 1fr); align-items: start; }',
	'.wgn-card { border: 1px solid rgba(128, 128, 128, .4); border-radius: 6px; padding: .8em 1em; display: flex; flex-direction: column; gap: .35em; min-width: 0; }',
	'.wgn-card.wgn-chosen { outline: 2px solid var(--primary-color-high, #1976d2); outline-offset: -1px; }',
	'.wgn-card-head { display: flex; justify-content: space-between; align-items: baseline; gap: .5em; }',
	'.wgn-card h4 { margin: 0; font-size: 1.2em; line-height: 1.4; overflow-wrap: anywhere; border: 0; padding: 0; }',
	'.wgn-addresses { white-space: pre-line; overflow-wrap: anywhere; }',
	'.wgn-count { margin-top: .35em; }',
	'.wgn-bar { display: flex; height: 6px; border-radius: 3px; overflow: hidden; background: rgba(128, 128, 128, .2); gap: 2px; }',
	'.wgn-bar span { background: currentColor; min-width: 3px; }',
	'.wgn-bar .wgn-off, .wgn-bar .wgn-idle { opacity: .5; }',
	'.wgn-card .wgn-buttons { margin: auto 0 0; padding-top: .35em; display: flex; flex-wrap: wrap; gap: .4em; }',
	'.wgn-card .wgn-buttons .btn { margin: 0; font-size: 90%; }',

	/* Traffic. */
	'.wgn-flow { display: flex; flex-wrap: wrap; align-items: center; gap: .25em .75em; }',
	'.wgn-rates { display: flex; flex-direction: column; flex: none; min-width: 6em; white-space: nowrap; font-variant-numeric: tabular-nums; }',
	'.wgn-rates:empty { display: none; }',
	'.wgn-slot { flex: 1 1 5em; min-width: 5em; max-width: 9em; min-height: 1px; line-height: 0; }',
	'.wgn-card .wgn-flow { margin-top: .35em; } .wgn-card .wgn-slot { max-width: none; }',
	'.wgn-spark { width: 100%; height: 28px; display: block; }',
	'.wgn-spark path { vector-effect: non-scaling-stroke; }',
	'.wgn-rx-line, .wgn-tx-line { fill: none; stroke-width: 1.5; stroke-linejoin: round; }',
	'.wgn-rx-line { stroke: #2f81f7; } .wgn-tx-line { stroke: #d9730d; }',
	'.wgn-rx-area { fill: #2f81f7; opacity: .2; stroke: none; }',
	'.wgn-chart { width: 100%; display: block; font-size: 11px; font-variant-numeric: tabular-nums; overflow: visible; }',
	'.wgn-chart text { fill: currentColor; opacity: .8; }',
	'.wgn-grid { stroke: currentColor; opacity: .15; fill: none; } .wgn-mark { stroke: currentColor; opacity: .6; }',
	'.wgn-legend { display: flex; flex-wrap: wrap; gap: .25em 1.5em; font-size: 90%; min-height: 1.5em; margin-top: .25em; }',
	'.wgn-key::before { content: ""; display: inline-block; width: 1em; height: 3px; margin-right: .4em; vertical-align: middle; background: #2f81f7; }',
	'.wgn-key-tx::before { background: #d9730d; }',
	'.wgn-chart-at { margin-left: auto; font-variant-numeric: tabular-nums; }',
	'.wgn-traffic > .wgn-head { margin-bottom: .5em; }',
	'.wgn-ranges { display: inline-flex; flex-wrap: wrap; gap: .25em; } .wgn-ranges .btn { margin: 0; font-size: 90%; }',

	/* Filter and pages. */
	'.wgn-tools { display: flex; flex-wrap: wrap; gap: .5em; align-items: center; margin: .75em 0; }',
	'.wgn-tools > * { margin: 0 !important; box-sizing: border-box; height: 32px !important; }',
	'.wgn-tools input[type=search] { flex: 1 1 16em; max-width: 28em; padding: 0 .6em; }',
	'.wgn-tools select { flex: 0 1 auto; width: auto; min-width: 0; }',
	'.wgn-chips { display: flex; flex-wrap: wrap; gap: .35em; margin: .5em 0 1em; }',
	'.wgn-chip { margin: 0; font-weight: normal; } .wgn-chip[aria-pressed="true"] { outline: 2px solid currentColor; outline-offset: -1px; font-weight: bold; }',
	'.wgn-chip .wgn-state { font-weight: inherit; }',
	'.wgn-pages { display: flex; flex-wrap: wrap; gap: .5em; align-items: center; justify-content: flex-end; margin: .75em 0; font-variant-numeric: tabular-nums; }',

	/* Peers. */
	'.wgn-peers { width: 100%; }',
	'.wgn-peers .wgn-row > .td { vertical-align: top; min-width: 0; }',
	'.wgn-peers th button { all: unset; cursor: pointer; font-weight: bold; white-space: nowrap; }',
	'.wgn-peers th button:focus-visible { outline: 2px solid currentColor; }',
	'.wgn-unfold { all: unset; cursor: pointer; font-weight: bold; overflow-wrap: anywhere; display: inline-flex; text-align: left; }',
	'.wgn-unfold:hover { text-decoration: underline; }',
	'.wgn-unfold:focus-visible { outline: 2px solid currentColor; }',
	'.wgn-unfold::before { content: "▸"; flex: none; width: 1.2em; } .wgn-unfold[aria-expanded="true"]::before { content: "▾"; }',
	'.wgn-under { font-size: 85%; opacity: .85; overflow-wrap: anywhere; }',
	'.wgn-badges { display: flex; flex-wrap: wrap; gap: .25em; margin: .25em 0 0 1.2em; }',
	'.wgn-col-name { width: 20%; } .wgn-col-state { width: 22%; } .wgn-col-endpoint { width: 14%; } .wgn-col-handshake { width: 10%; } .wgn-col-ips { width: 13%; }',
	'.wgn-col-endpoint, .wgn-ips, .wgn-peers .wgn-sentence { overflow-wrap: break-word; } .wgn-ips { white-space: pre-line; }',
	'.wgn-actions { display: flex; flex-wrap: wrap; gap: .4em .75em; align-items: center; justify-content: flex-end; } .wgn-actions .btn { margin: 0; }',
	'.wgn-switch { display: inline-flex; gap: .4em; align-items: center; white-space: nowrap; margin: 0; float: none; width: auto; padding: 0; } .wgn-switch input { margin: 0; }',
	'.wgn-busy-row > .td { opacity: .6; }',

	/* Dialogs. */
	'.modal .button-row.right { width: 100%; text-align: right; justify-content: flex-end; }',
	'.wgn-export .alert-message ul { margin: 0 0 0 1.2em; padding: 0; }',

	/* Details of a peer. */
	'.wgn-details { padding: .5em .5em 1em 1.5em; text-align: left; border-left: 3px solid rgba(128, 128, 128, .4); }',
	'.wgn-details h4 { margin: 1em 0 .35em; padding: 0; border: 0; font-size: 1em; font-weight: bold; }',
	'.wgn-details .wgn-detail { margin: 0 0 .5em; max-width: 60em; } .wgn-details .wgn-detail:empty { display: none; }',
	'.wgn-details .wgn-buttons { display: flex; flex-wrap: wrap; gap: .4em; margin: 0 0 1em; } .wgn-details .wgn-buttons:empty { display: none; } .wgn-details .wgn-buttons .btn { margin: 0; }',
	'.wgn-columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26em), 1fr)); gap: 0 2.5em; }',
	'.wgn-facts { margin: 0; }',
	'.wgn-facts > div { display: flex; gap: 1em; border-bottom: 1px solid rgba(128, 128, 128, .2); padding: .3em 0; min-width: 0; }',
	'.wgn-facts dt { flex: 0 0 11em; opacity: .8; font-weight: normal; float: none; width: auto; text-align: left; }',
	'.wgn-facts dd { margin: 0; flex: 1; min-width: 0; overflow-wrap: anywhere; } .wgn-facts code { background: none; padding: 0; border: 0; color: inherit; white-space: normal; overflow-wrap: anywhere; }',
	'.wgn-scroll { max-height: 12em; overflow-y: auto; white-space: pre-line; }',
	'.wgn-plain { width: 100%; border-collapse: collapse; } .wgn-plain th, .wgn-plain td { text-align: left; padding: .3em .75em .3em 0; vertical-align: top; overflow-wrap: anywhere; border: 0; border-bottom: 1px solid rgba(128, 128, 128, .2); } .wgn-plain th { opacity: .8; font-weight: normal; }',
	'.wgn-notices { margin-top: .75em; } .wgn-notices h4 { margin: 0 0 .25em; }',
	'.wgn-page .alert-message p { margin: .25em 0; }',
	'.wgn-page .alert-message .wgn-buttons { margin: .5em 0 0; }',

	/* Add a device. */
	'.wgn-dialog { text-align: left; }',
	'.wgn-dialog .cbi-value { clear: both; }',
	'.wgn-steps { display: flex; flex-wrap: wrap; gap: 1em; list-style: none; margin: 0 0 1em; padding: 0; }',
	'.wgn-steps li { opacity: .6; } .wgn-steps li[aria-current] { opacity: 1; font-weight: bold; }',
	'.wgn-plan { margin: .25em 0 .75em 1.5em; } .wgn-plan li { margin: .2em 0; }',
	'.wgn-plan code { overflow-wrap: anywhere; white-space: pre-wrap; }',
	'.wgn-monitor { padding: .75em 1em; border: 1px solid rgba(128, 128, 128, .4); border-left-width: 6px; border-left-color: currentColor; margin: 1em 0; }',
	'.wgn-monitor .wgn-under { color: var(--text-color-high, inherit); }',
	'.wgn-choice { display: flex; flex-direction: column; gap: .4em; }',
	'.wgn-choice label { display: flex; gap: .5em; align-items: baseline; text-align: left; float: none; width: auto; padding: 0; margin: 0; }',
	'.wgn-choice label > span { min-width: 0; }',

	'@media screen and (max-width: 767px) {',
	'  .wgn-summary.wgn-single { grid-template-columns: minmax(0, 1fr); }',
	'  .wgn-col-name, .wgn-col-state, .wgn-col-endpoint, .wgn-col-handshake, .wgn-col-ips { width: auto; }',
	'  .wgn-chart-at { margin-left: 0; flex-basis: 100%; }',
	'  .wgn-actions { justify-content: flex-start; }',
	'  .wgn-badges { margin-left: 0; }',
	'  .wgn-details { padding-left: .75em; }',
	'  .wgn-facts dt { flex-basis: 8.5em; }',
	'  .wgn-plain thead { display: none; } .wgn-plain tr, .wgn-plain td { display: block; border: 0; padding: .1em 0; }',
	'  .wgn-plain tr { border-bottom: 1px solid rgba(128, 128, 128, .2); padding: .3em 0; }',
	'  .wgn-plain td[data-title]::before { content: attr(data-title) ": "; opacity: .8; }',
	'}'
];

return baseclass.extend({
	/* use puts the rules into the page, once, and those that all pages share. */
	use() {
		style.use();

		if (!document.getElementById('wgnetifd-status-style'))
			document.head.appendChild(E('style', { 'id': 'wgnetifd-status-style' }, [ RULES.join('\n') ]));
	}
});
