document.getElementById("page")!.textContent = "…";
