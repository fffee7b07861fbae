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
	'.wgn-state::before { content: ""; flex: none; width: .7em; height: .7em; border-radius: 50%; background: currentColor; }',
	'.wgn-ok { color: #1a7f37; } .wgn-busy { color: #9a6700; } .wgn-bad { color: #cf222e; } .wgn-idle { color: #57606a; } .wgn-off { color: #6e7781; }',
	'[data-darkmode="true"] .wgn-ok { color: #3fb950; } [data-darkmode="true"] .wgn-busy { color: #d29922; } [data-darkmode="true"] .wgn-bad { color: #ff7b72; }',
	'[data-darkmode="true"] .wgn-idle { color: #a0aab4; } [data-darkmode="true"] .wgn-off { color: #8b949e; }',
	'.wgn-off.wgn-state::before { background: none; border: 2px solid currentColor; box-sizing: border-box; }',

	/* Interfaces. */
	'.wgn-cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(17em, 1fr)); gap: 1em; margin: 1em 0; }',
	'.wgn-card { border: 1px solid rgba(128, 128, 128, .4); border-radius: 4px; padding: .75em 1em; display: flex; flex-direction: column; gap: .3em; min-width: 0; }',
	'.wgn-card.wgn-chosen { outline: 2px solid var(--primary-color-high, #1976d2); }',
	'.wgn-card-head { display: flex; justify-content: space-between; align-items: baseline; gap: .5em; }',
	'.wgn-card h4 { margin: 0; font-size: 1.15em; overflow-wrap: anywhere; border: 0; padding: 0; }',
	'.wgn-card .wgn-mono { overflow-wrap: anywhere; }',
	'.wgn-bar { display: flex; height: 6px; border-radius: 3px; overflow: hidden; background: rgba(128, 128, 128, .2); gap: 1px; }',
	'.wgn-bar span { background: currentColor; min-width: 3px; }',
	'.wgn-card .wgn-buttons { margin: .25em 0 0; }',
	'.wgn-mono { font-family: monospace; }',

	/* Traffic. */
	'.wgn-flow { display: flex; flex-wrap: wrap; gap: .1em .75em; align-items: center; }',
	'.wgn-flow > span { white-space: nowrap; }',
	'.wgn-spark { width: 90px; height: 22px; flex: none; }',
	'.wgn-spark path { vector-effect: non-scaling-stroke; }',
	'.wgn-rx-line, .wgn-tx-line { fill: none; stroke-width: 1.5; stroke-linejoin: round; }',
	'.wgn-rx-line { stroke: #2f81f7; } .wgn-tx-line { stroke: #d9730d; }',
	'.wgn-rx-area { fill: #2f81f7; opacity: .2; stroke: none; }',
	'.wgn-chart { width: 100%; display: block; font-size: 11px; }',
	'.wgn-chart text { fill: currentColor; opacity: .8; }',
	'.wgn-grid { stroke: currentColor; opacity: .15; } .wgn-mark { stroke: currentColor; opacity: .6; }',
	'.wgn-legend { display: flex; flex-wrap: wrap; gap: .25em 1.5em; font-size: 90%; min-height: 1.5em; }',
	'.wgn-key::before { content: ""; display: inline-block; width: 1em; height: 3px; margin-right: .4em; vertical-align: middle; background: #2f81f7; }',
	'.wgn-key-tx::before { background: #d9730d; }',
	'.wgn-chart-at { margin-left: auto; }',
	'.wgn-ranges { display: inline-flex; flex-wrap: wrap; gap: .25em; }',

	/* Filter and pages. */
	'.wgn-tools { display: flex; flex-wrap: wrap; gap: .5em; align-items: center; margin: .75em 0; }',
	'.wgn-tools input[type=search] { flex: 1 1 16em; max-width: 28em; margin: 0; }',
	'.wgn-tools select { width: auto; min-width: 0; margin: 0; }',
	'.wgn-chip[aria-pressed="true"] { outline: 2px solid currentColor; font-weight: bold; }',
	'.wgn-chips { display: flex; flex-wrap: wrap; gap: .35em; margin: .5em 0; }',
	'.wgn-chip .wgn-state { font-weight: inherit; }',
	'.wgn-pages { display: flex; flex-wrap: wrap; gap: .5em; align-items: center; justify-content: flex-end; margin: .5em 0; }',

	/* Peers. */
	'.wgn-peers { width: 100%; }',
	'.wgn-peers .td { vertical-align: top; min-width: 0; }',
	'.wgn-peers .wgn-row.wgn-disabled .td { opacity: .75; }',
	'.wgn-peers th button { all: unset; cursor: pointer; font-weight: bold; white-space: nowrap; }',
	'.wgn-peers th button:focus-visible { outline: 2px solid currentColor; }',
	'.wgn-unfold { all: unset; cursor: pointer; font-weight: bold; overflow-wrap: anywhere; display: inline-block; }',
	'.wgn-unfold:focus-visible { outline: 2px solid currentColor; }',
	'.wgn-unfold::before { content: "▸"; display: inline-block; width: 1.2em; } .wgn-unfold[aria-expanded="true"]::before { content: "▾"; }',
	'.wgn-under { font-size: 85%; opacity: .85; overflow-wrap: anywhere; }',
	'.wgn-badges { display: flex; flex-wrap: wrap; gap: .25em; margin-top: .25em; }',
	'.wgn-col-name { width: 19%; } .wgn-col-state { width: 23%; } .wgn-col-endpoint { width: 15%; } .wgn-col-ips { width: 14%; }',
	'.wgn-col-endpoint { overflow-wrap: anywhere; }',
	'.wgn-ips { overflow-wrap: anywhere; }',
	'.wgn-switch { white-space: nowrap; }',
	'.wgn-busy-row { opacity: .6; }',

	/* Details of a peer. */
	'.wgn-details { padding: .5em .25em 1em; text-align: left; }',
	'.wgn-details h4 { margin: .75em 0 .25em; }',
	'.wgn-facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(20em, 1fr)); gap: .15em 2em; margin: .5em 0; }',
	'.wgn-facts > div { display: flex; gap: .75em; border-bottom: 1px solid rgba(128, 128, 128, .2); padding: .15em 0; min-width: 0; }',
	'.wgn-facts dt { flex: 0 0 9.5em; opacity: .8; font-weight: normal; float: none; width: auto; text-align: left; }',
	'.wgn-facts dd { margin: 0; flex: 1; min-width: 0; overflow-wrap: anywhere; }',
	'.wgn-scroll { max-height: 10em; overflow-y: auto; }',
	'.wgn-plain { width: 100%; border-collapse: collapse; } .wgn-plain th, .wgn-plain td { text-align: left; padding: .2em .75em .2em 0; vertical-align: top; overflow-wrap: anywhere; border: 0; }',
	'.wgn-page .alert-message p { margin: .25em 0; }',
	'.wgn-page .alert-message .wgn-buttons { margin-bottom: 0; }',

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
	'  .wgn-col-name, .wgn-col-state, .wgn-col-endpoint, .wgn-col-ips { width: auto; }',
	'  .wgn-chart-at { margin-left: 0; flex-basis: 100%; }',
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
