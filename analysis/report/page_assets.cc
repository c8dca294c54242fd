#include "analysis/report/page_assets.h"

namespace gpuvm::report {

// Series colours are Okabe and Ito's, which people with any colour vision can tell apart, toned for each
// background.
std::string_view page_style() {
  return R"css(
:root{color-scheme:light dark;
--paper:#fcfcfa;--card:#ffffff;--ink:#1a1d21;--soft:#5b6570;--faint:#8a939c;--line:#e5e3dd;--line2:#f0eee9;
--accent:#0b5cad;--good:#11734b;--goodbg:#e6f4ec;--bad:#b3261e;--badbg:#fcebe9;--none:#6b6256;--nonebg:#f3efe7;
--s0:#0a6ab6;--s0b:#74b3e6;--s1:#e08a00;--s3:#109a78;--s4:#b5578f;--s5:#7d7468;--s6:#c8452b;--heat:11,92,173}
@media (prefers-color-scheme:dark){:root{
--paper:#14171a;--card:#1b1f23;--ink:#e7e9eb;--soft:#a4adb6;--faint:#7c868f;--line:#30363c;--line2:#252a2f;
--accent:#7db9f2;--good:#6fd3a2;--goodbg:#15302470;--bad:#ff9d92;--badbg:#43201c;--none:#c9bda8;--nonebg:#2c2821;
--s0:#4ba3ea;--s0b:#2c679b;--s1:#f0a83a;--s3:#37c49f;--s4:#da86b7;--s5:#a59b8d;--s6:#f07a61;--heat:90,165,235}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 Inter,"Helvetica Neue",ui-sans-serif,system-ui,"Segoe UI","DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums lining-nums}
main,header.top,footer{max-width:1080px;margin:0 auto;padding:0 28px}
header.top{padding-top:44px}
.eyebrow{margin:0 0 6px;color:var(--soft);font-size:13px;letter-spacing:.02em}
h1{font-size:32px;line-height:1.2;letter-spacing:-.02em;margin:0 0 16px;font-weight:650;overflow-wrap:anywhere}
h2{font-size:21px;letter-spacing:-.012em;margin:0 0 6px;font-weight:640}
h3{font-size:15px;margin:26px 0 8px;font-weight:640}
p{margin:0 0 12px;max-width:72ch}
.lead{color:var(--soft);margin-bottom:18px}
.lead b{color:var(--ink);font-weight:640}
section{padding:34px 0 30px;border-top:1px solid var(--line)}
section.keys{border-top:0;padding:22px 0 34px}
.verdict{display:flex;gap:12px;align-items:flex-start;border-radius:10px;padding:12px 16px;margin:0 0 20px;max-width:none;font-weight:560}
.verdict p{margin:0;max-width:none}.verdict span{font-weight:400}
.verdict i{font-style:normal;font-weight:700;flex:none}
.ok{background:var(--goodbg);color:var(--good)}.bad{background:var(--badbg);color:var(--bad)}.none{background:var(--nonebg);color:var(--none)}
.verdict span{color:var(--ink)}
dl.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(235px,1fr));gap:12px 28px;margin:0}
dl.facts div{min-width:0}dl.facts .wide{grid-column:1/-1}
dt{color:var(--faint);font-size:12.5px}dd{margin:0;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:1px;background:var(--line);border:1px solid var(--line);border-radius:12px;overflow:hidden}
.card{background:var(--card);padding:15px 17px 14px}
.card p{margin:0}.card .k{color:var(--soft);font-size:12.5px}.card .v{font-size:26px;line-height:1.3;letter-spacing:-.02em;font-weight:640;white-space:nowrap}.card .d{color:var(--soft);font-size:12.5px;line-height:1.4}
.scroll{overflow-x:auto;-webkit-overflow-scrolling:touch;margin:0 -6px;padding:0 6px}
table{border-collapse:collapse;width:100%;font-size:14px}
.cap{color:var(--soft);font-size:13px;margin:0 0 6px;max-width:none}
.where{min-width:170px}
th{font-weight:560;color:var(--soft);font-size:12.5px;text-align:left;padding:6px 10px;border-bottom:1px solid var(--line);vertical-align:bottom;white-space:nowrap}
td,tbody th{padding:7px 10px;border-bottom:1px solid var(--line2);vertical-align:middle}
tbody th{color:var(--ink);font-size:14px;font-weight:560;white-space:nowrap}
tbody tr:last-child>*{border-bottom:0}
tbody th small{display:block;font-weight:400;color:var(--soft);font-size:12px;line-height:1.35;white-space:normal;min-width:150px;max-width:210px}
th:first-child,td:first-child{padding-left:0}th:last-child,td:last-child{padding-right:0}
.n{text-align:right;white-space:nowrap}.n small{color:var(--faint)}
.z{color:var(--faint)}
.t{font-weight:640}
.mono{font-family:ui-monospace,"SF Mono","Cascadia Mono",Menlo,"DejaVu Sans Mono",monospace;font-size:12.5px;overflow-wrap:anywhere}
.grow{width:38%;min-width:120px}.grow2{width:24%;min-width:90px}
svg{display:block;width:100%;overflow:visible}
svg.bar{height:20px}svg.strip{height:38px}svg.thin{height:8px}
svg.ranges{height:39px}
.grid{stroke:var(--line);stroke-width:1;fill:none}
.dot{stroke-width:11;stroke-linecap:round;fill:none}
.range{stroke-width:5;stroke-linecap:round;fill:none}
.f0{fill:var(--s0)}.f0b{fill:var(--s0b)}.f1{fill:var(--s1)}.f3{fill:var(--s3)}.f4{fill:var(--s4)}.f5{fill:var(--s5)}.f6{fill:var(--s6)}
.edge{stroke:var(--paper);stroke-width:1;vector-effect:non-scaling-stroke}
.dot.f0,.range.f0{stroke:var(--s0)}.dot.f1,.range.f1{stroke:var(--s1)}.dot.f3,.range.f3{stroke:var(--s3)}.dot.f4,.range.f4{stroke:var(--s4)}
.dot.ft{stroke:var(--ink);stroke-width:5}
.key::before{content:"";display:inline-block;width:10px;height:10px;border-radius:2.5px;margin-right:6px;background:var(--faint)}
.k0::before{background:var(--s0)}.k0b::before{background:var(--s0b)}.k1::before{background:var(--s1)}.k3::before{background:var(--s3)}.k4::before{background:var(--s4)}.k5::before{background:var(--s5)}.k6::before{background:var(--s6)}.kt::before{background:var(--ink);width:6px;height:6px;border-radius:3px;vertical-align:2px}
.toggle{float:right;display:inline-flex;font-size:12.5px;border:1px solid var(--line);border-radius:8px;overflow:hidden;margin:0 0 10px 16px}
div:has(>.toggle)>.scroll,div:has(>.toggle)>.toggle~div{clear:both}
.sw{position:absolute;opacity:0;pointer-events:none}
.toggle label{padding:3px 11px;cursor:pointer;color:var(--soft)}
.legend{display:none;margin:0 0 12px;font-size:13px}.legend span{margin-right:14px}
.swa:checked~.toggle .la,.swb:checked~.toggle .lb{background:var(--line);color:var(--ink)}
.swa:focus-visible~.toggle .la,.swb:focus-visible~.toggle .lb{outline:2px solid var(--accent);outline-offset:-2px}
.swa:checked~* .vb,.swb:checked~* .va{display:none}
.axis{display:flex;justify-content:space-between;color:var(--faint);font-size:11.5px;font-weight:400}
.heat td{text-align:right;min-width:74px}
.h1{background:rgba(var(--heat),.05)}.h2{background:rgba(var(--heat),.1)}.h3{background:rgba(var(--heat),.16)}.h4{background:rgba(var(--heat),.22)}.h5{background:rgba(var(--heat),.29)}.h6{background:rgba(var(--heat),.37)}.h7{background:rgba(var(--heat),.46)}
.heat td,.heat th{padding-left:9px;padding-right:9px}.heat tr>:first-child{padding-left:0}
.heat td small{display:block;color:var(--soft);font-size:11.5px}
.lanes{display:grid;grid-template-columns:118px 1fr 74px;gap:3px 12px;align-items:end;font-size:13px;clear:both}
.lanes>.n{color:var(--soft);font-size:12px;padding-bottom:2px}
.lanes svg{border-bottom:1px solid var(--line)}
.bands{position:relative;height:24px;grid-column:2}
.bands b{position:absolute;top:0;height:22px;overflow:hidden;white-space:nowrap;font-size:11.5px;font-weight:500;line-height:22px;text-indent:5px;color:var(--soft);border-left:1.5px solid var(--faint);background:var(--line2)}
.bands b:nth-child(even){background:var(--line)}
.lanes .axis{grid-column:2}
.tag{display:inline-block;font-size:12px;font-weight:600;border-radius:5px;padding:1px 7px;white-space:nowrap}
th button{all:unset;cursor:pointer;color:inherit;font:inherit}
th button:hover{color:var(--ink)}th button:focus-visible{outline:2px solid var(--accent);border-radius:3px}
th[aria-sort=descending] button::after{content:" ▾"}th[aria-sort=ascending] button::after{content:" ▴"}
.note{color:var(--soft);font-size:13px;margin-top:12px}
ul.sources{padding-left:0;margin:14px 0 0;list-style:none;color:var(--soft);font-size:13px}ul.sources li{margin:4px 0;max-width:90ch}
ul.sources b{color:var(--ink);font-weight:560}
.two{display:grid;grid-template-columns:1fr 1fr;gap:12px 44px}.two>*{min-width:0}
details{margin-top:14px}summary{cursor:pointer;color:var(--accent);font-size:14px}
a{color:var(--accent)}
footer{padding-top:22px;padding-bottom:48px;color:var(--soft);font-size:13px;border-top:1px solid var(--line)}
#tip{position:fixed;z-index:9;pointer-events:none;background:var(--ink);color:var(--paper);font-size:12.5px;line-height:1.35;padding:5px 9px;border-radius:6px;max-width:280px;opacity:0;left:0;top:0}
#tip.on{opacity:1}
@media (max-width:720px){main,header.top,footer{padding-left:18px;padding-right:18px}header.top{padding-top:26px}h1{font-size:25px}
.two{grid-template-columns:1fr}.lanes{grid-template-columns:84px 1fr 48px;gap:3px 8px;font-size:12px}.card .v{font-size:22px}.cards{grid-template-columns:1fr 1fr}
.toggle{float:none;margin:0 0 12px}.grow{min-width:110px}tbody th small{min-width:110px}.traps .part{display:none}.legend{display:block}th .axis span:not(:first-child):not(:last-child){display:none}td,tbody th,th{padding-left:7px;padding-right:7px}}
@media print{body{font-size:10.5pt;background:#fff}main,header.top,footer{max-width:none;padding:0}section{padding:16px 0}tr,.card,.lanes{break-inside:avoid}h2,h3,.lead{break-after:avoid}.toggle,#tip{display:none}.scroll{overflow:visible}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
@media (prefers-reduced-motion:no-preference){#tip{transition:opacity .1s}}
)css";
}

std::string_view page_script() {
  return R"js(
(function(){
"use strict";
// Sorting: a click on a head sorts by the cells' data-v, numbers from the largest.
document.querySelectorAll("table.sort").forEach(function(table){
  var heads=table.tHead.rows[0].cells;
  Array.prototype.forEach.call(heads,function(head,column){
    if(head.hasAttribute("data-fixed"))return;
    var button=document.createElement("button");button.type="button";button.textContent=head.textContent;
    head.textContent="";head.appendChild(button);
    button.addEventListener("click",function(){
      var number=head.classList.contains("n"),was=head.getAttribute("aria-sort");
      var down=was?was==="ascending":number;
      Array.prototype.forEach.call(heads,function(h){h.removeAttribute("aria-sort")});
      head.setAttribute("aria-sort",down?"descending":"ascending");
      var body=table.tBodies[0],rows=Array.prototype.slice.call(body.rows);
      var key=function(row){var c=row.cells[column],v=c.getAttribute("data-v");return number?Number(v||0):(v||c.textContent)};
      rows.sort(function(x,y){var a=key(x),b=key(y);var r=a<b?-1:a>b?1:0;return down?-r:r});
      rows.forEach(function(row){body.appendChild(row)});
    });
  });
});
// Tooltips that come at once; without script the browser's own do.
var tip=document.createElement("div");tip.id="tip";tip.setAttribute("aria-hidden","true");document.body.appendChild(tip);
document.querySelectorAll("svg title").forEach(function(t){var p=t.parentNode;p.setAttribute("data-tip",t.textContent);p.setAttribute("aria-label",t.textContent);p.removeChild(t)});
document.querySelectorAll("[title]").forEach(function(e){e.setAttribute("data-tip",e.title);e.setAttribute("aria-label",e.title);e.removeAttribute("title")});
document.addEventListener("pointermove",function(e){
  var at=e.target.closest?e.target.closest("[data-tip]"):null;
  tip.classList.toggle("on",!!at);
  if(!at)return;
  tip.textContent=at.getAttribute("data-tip");
  var w=tip.offsetWidth,h=tip.offsetHeight;
  tip.style.left=Math.max(6,Math.min(e.clientX+12,innerWidth-w-6))+"px";
  tip.style.top=(e.clientY+18+h>innerHeight?e.clientY-h-12:e.clientY+18)+"px";
});
})();
)js";
}

}  // namespace gpuvm::report
