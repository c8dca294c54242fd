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
